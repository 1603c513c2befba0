"""Moving average of a network's weights. The average often predicts better than the last weights."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """Exponential moving average of a network's weights and buffers, such as the statistics of batch norm.

    The average starts with the initial weights. Each step sets the average to
    `decay * average + (1 - decay) * weights`. Integer tensors are copied.
    Source: Polyak and Juditsky, https://doi.org/10.1137/0330046; as in `torch.optim.swa_utils`
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self._update = get_ema_multi_avg_fn(decay)
        pairs = list(zip(_tensors(self.model), _tensors(model), strict=True))
        self._averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Update the average with the current weights of the network."""
        if self._averaged:
            averages, weights = map(list, zip(*self._averaged, strict=True))
            self._update(averages, weights, 0)
        for average, weight in self._copied:
            average.copy_(weight)


def _tensors(model: nn.Module) -> list[torch.Tensor]:
    return [tensor.detach() for tensor in (*model.parameters(), *model.buffers())]
