"""Update ratios: the norm of the change of the weights in one optimizer step, relative to the norm of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runfolio.tracking.monitors.tensor_statistics import norms

if TYPE_CHECKING:
    from torch import Tensor

MOST_COPIED = 1 << 18
"""Maximum number of values that are copied from one tensor. If a tensor has more values, only evenly spaced slices are
measured."""


class WeightUpdate:
    """Measurement of one optimizer step. The weights are copied before the step, and the copies are compared with the
    weights after the step."""

    def __init__(self, weights: Sequence[Tensor]) -> None:
        """Copy the weights. Create the object before the step."""
        self._slices = [_spaced_slices(weight) for weight in weights]
        """Measured parts of the weights, which are views of the weight tensors."""
        self._before = [part.clone() for part in self._slices]
        self._scales = [
            (weight.numel() / max(1, part.numel())) ** 0.5 for weight, part in zip(weights, self._slices, strict=True)
        ]

    def ratios(self) -> Tensor:
        """Return the ratio of each weight, followed by the ratio over all weights. The result is float64, has the shape
        [n + 1], and is on the first weight's device.

        The ratio is 0 for a weight that was not changed, and infinite for a changed weight that was zero before.
        """
        import torch

        sizes = norms(self._before)
        for before, part in zip(self._before, self._slices, strict=True):
            before.sub_(part)
        changes = norms(self._before)
        scales = torch.tensor(self._scales, dtype=changes.dtype).to(changes.device, non_blocking=True)
        total = torch.linalg.vector_norm(changes * scales) / torch.linalg.vector_norm(sizes * scales)
        return torch.cat([changes / sizes, total[None]]).where(torch.cat([changes, changes.amax()[None]]) != 0, 0)


def _spaced_slices(weight: Tensor) -> Tensor:
    """Return the weight. For a large weight, return every n-th slice along its longest dimension."""
    stride = -(-weight.numel() // MOST_COPIED)
    if stride <= 1:
        return weight
    longest = max(range(weight.ndim), key=weight.shape.__getitem__)
    return weight[(slice(None),) * longest + (slice(None, None, stride),)]
