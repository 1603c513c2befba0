"""Weights averaged over the steps of a training, which often predict better than the last ones."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """The exponential moving average of a network's weights, and of its buffers: batch norm's statistics go along.

    It begins with the weights that training begins with; after each step it is `decay` of itself and `1 - decay` of the
    network's weights. Counts (whole numbers) are taken over as they are.
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
        """Take the network's weights of now into the average."""
        if self._averaged:
            averages, weights = map(list, zip(*self._averaged, strict=True))
            self._update(averages, weights, 0)
        for average, weight in self._copied:
            average.copy_(weight)


def _tensors(model: nn.Module) -> list[torch.Tensor]:
    return [tensor.detach() for tensor in (*model.parameters(), *model.buffers())]
