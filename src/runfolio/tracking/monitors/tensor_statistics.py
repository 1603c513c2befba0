"""Norms and histograms of tensors. They are computed on the device of the tensors and read later by a different thread,
because training must not wait for a GPU."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runfolio.tracking.pipeline.media_content import BINS, bin_edges

if TYPE_CHECKING:
    from torch import Tensor


class DeferredValues:
    """Tensor whose values the device may still be computing. The first read waits for the values.

    The first read also passes the values to `check`.
    """

    def __init__(self, tensor: Tensor, check: Callable[[list[Any]], None] | None = None) -> None:
        self._tensor = tensor
        self._check = check

    @cached_property
    def values(self) -> list[Any]:
        values = self._tensor.tolist()
        if self._check is not None:
            self._check(values)
        return values


@dataclass(frozen=True)
class Number:
    """One of the values of a `DeferredValues`, which is logged as a metric. The encoder thread calls `item()`, as for
    an array with one element."""

    deferred: DeferredValues
    index: int

    def item(self) -> float:
        return self.deferred.values[self.index]


def norms(tensors: Sequence[Tensor]) -> Tensor:
    """Return the 2-norm of each tensor as float64, shape [n], on the device of the first tensor. With float64, the sums
    do not overflow."""
    import torch

    tensors = [torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor for tensor in tensors]
    groups: dict[tuple[Any, Any], list[int]] = defaultdict(list)
    for index, tensor in enumerate(tensors):
        groups[tensor.device, tensor.dtype].append(index)
    results: list[Any] = [None] * len(tensors)
    for indices in groups.values():
        group_norms = torch._foreach_norm([tensors[index] for index in indices], 2, torch.float64)  # type: ignore[attr-defined]
        for index, norm in zip(indices, group_norms, strict=True):
            results[index] = norm.to(tensors[0].device, non_blocking=True)
    return torch.stack(results)


def count_values(tensor: Tensor) -> Tensor:
    """Return bin counts, minimum, maximum, mean, variance, number of NaN and number of infinities. The result is
    float64 and has the shape [BINS + 6]."""
    import torch

    numbers = (torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor).detach().flatten()
    numbers = numbers.float() if numbers.dtype.itemsize < 4 else numbers
    if not len(numbers):
        return torch.zeros(BINS + 6, dtype=torch.float64, device=tensor.device)
    if numbers.device.type == "cpu":
        lowest, highest = (extreme.item() for extreme in numbers.aminmax())
        if highest - lowest < torch.finfo(numbers.dtype).max:
            return _count_finite(numbers, lowest, highest)
    return _count_on_device(numbers)


def _count_finite(numbers: Tensor, lowest: float, highest: float) -> Tensor:
    """Count finite numbers per bin. Minimum and maximum are passed, because the caller has already computed them."""
    import torch

    parts = [part.histc(BINS, lowest, highest).double() for part in numbers.split(_FLOAT32_EXACT)]
    variance, mean = torch.var_mean(numbers, correction=0)
    return torch.cat([torch.stack(parts).sum(0), torch.tensor([lowest, highest, mean, variance, 0, 0]).double()])


_FLOAT32_EXACT = 2**24
"""Largest count that float32 can represent exactly."""


def _count_on_device(numbers: Tensor) -> Tensor:
    """Count numbers per bin. No value is read on the CPU, because reading would wait for the GPU."""
    import torch

    finite = numbers.isfinite()
    lowest, highest = numbers.where(finite, math.inf).amin(), numbers.where(finite, -math.inf).amax()
    numbers_or_0 = numbers.where(finite, 0)
    # The bin of each number is computed in float64. The tensor's dtype may be too small for the range or for the width
    # of a bin.
    share = (numbers_or_0.double() - lowest.double()) / (highest.double() - lowest.double())
    bins = (share * BINS).nan_to_num_(0).long().clamp_(0, BINS - 1)
    counts = torch.zeros(BINS, dtype=torch.int64, device=numbers.device).scatter_add_(0, bins, finite.long())
    mean = numbers_or_0.sum(dtype=torch.float64) / finite.sum()
    variance = (numbers_or_0 - mean).where(finite, 0).square().sum(dtype=torch.float64) / finite.sum()
    statistics = (lowest, highest, mean, variance, numbers.isnan().sum(), numbers.isinf().sum())
    return torch.cat([counts.double(), torch.stack([entry.double() for entry in statistics])])


def histogram_of(row: Sequence[float]) -> dict[str, Any]:
    """Convert the result of `count_values` to a histogram in the format of `docs/format.md`."""
    *counts, lowest, highest, mean, variance, nan, inf = row
    count = sum(counts)
    content: dict[str, Any] = {"nan": int(nan), "inf": int(inf)}
    if not count:
        return {"edges": [], "counts": [], "mean": None, "std": None, "min": None, "max": None, **content}
    edges = bin_edges(lowest, highest)
    if len(edges) == 2:
        counts = [count]
    elif highest == lowest:
        counts = [0.0] * (BINS // 2) + [count] + [0.0] * (BINS - BINS // 2 - 1)
    return {
        "edges": edges,
        "counts": [int(number) for number in counts],
        "mean": mean,
        "std": math.sqrt(variance),
        "min": lowest,
        "max": highest,
        **content,
    }
