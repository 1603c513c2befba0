"""torch's optimizers over the parameters of many heads at once, to the bits that each head's own would come to.

What depends on a head's rate or weight decay is done head by head, by the very operation that `torch.optim` does; what
is the same for all heads is one operation over all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

from runfolio.vision.settings import TrainSettings

Slots = list[dict[str, torch.Tensor]]
"""Of each parameter what its optimizer remembers, by the names that `torch.optim` gives it; [heads, ...] each."""


class StackedOptimizer(Protocol):
    """An optimizer of heads whose parameters are stacked, [heads, ...] each."""

    def step(self, gradients: Sequence[torch.Tensor], rates: Sequence[float]) -> None:
        """One step of all heads; `rates` are their learning rates. The gradients may be changed."""
        ...

    def slots(self) -> Slots: ...


def stacked_optimizer(parameters: Sequence[torch.Tensor], settings: Sequence[TrainSettings]) -> StackedOptimizer:
    """The optimizer of heads whose settings name the same one, with the same momentum."""
    kind = StackedSGD if settings[0].optimizer == "sgd" else StackedAdam
    return kind(parameters, settings)


class StackedAdam:
    """Adam, and AdamW, whose weight decay is decoupled.

    Source: Kingma and Ba, arXiv:1412.6980; Loshchilov and Hutter, arXiv:1711.05101; the operations are those of
    `torch.optim.adam._single_tensor_adam`
    """

    _BETA1, _BETA2, _EPS = 0.9, 0.999, 1e-8

    def __init__(self, parameters: Sequence[torch.Tensor], settings: Sequence[TrainSettings]) -> None:
        self._parameters = parameters
        self._decays = [each.weight_decay for each in settings]
        self._decoupled = settings[0].optimizer == "adamw"
        self._steps = 0.0
        self._means = [torch.zeros_like(parameter) for parameter in parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in parameters]

    def step(self, gradients: Sequence[torch.Tensor], rates: Sequence[float]) -> None:
        self._steps += 1
        correction = 1 - self._BETA1**self._steps
        root = (1 - self._BETA2**self._steps) ** 0.5
        for parameter, gradient, mean, square in zip(
            self._parameters, gradients, self._means, self._squares, strict=True
        ):
            for head, (rate, decay) in enumerate(zip(rates, self._decays, strict=True)):
                if decay and self._decoupled:
                    parameter[head].mul_(1 - rate * decay)
                elif decay:
                    gradient[head].add_(parameter[head], alpha=decay)
            mean.lerp_(gradient, 1 - self._BETA1)
            square.mul_(self._BETA2).addcmul_(gradient, gradient, value=1 - self._BETA2)
            spread = (square.sqrt() / root).add_(self._EPS)
            for head, rate in enumerate(rates):
                parameter[head].addcdiv_(mean[head], spread[head], value=-(rate / correction))

    def slots(self) -> Slots:
        steps = torch.full((len(self._decays),), self._steps)
        return [
            {"step": steps, "exp_avg": mean, "exp_avg_sq": square}
            for mean, square in zip(self._means, self._squares, strict=True)
        ]


class StackedSGD:
    """Stochastic gradient descent, with momentum or without. The operations are those of `torch.optim.sgd`."""

    def __init__(self, parameters: Sequence[torch.Tensor], settings: Sequence[TrainSettings]) -> None:
        self._parameters = parameters
        self._decays = [each.weight_decay for each in settings]
        self._momentum, self._nesterov = settings[0].momentum, settings[0].nesterov
        self._buffers: list[torch.Tensor] = []

    def step(self, gradients: Sequence[torch.Tensor], rates: Sequence[float]) -> None:
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            for head, decay in enumerate(self._decays):
                if decay:
                    gradient[head].add_(parameter[head], alpha=decay)
        for parameter, change in zip(self._parameters, self._with_momentum(gradients), strict=True):
            for head, rate in enumerate(rates):
                parameter[head].add_(change[head], alpha=-rate)

    def _with_momentum(self, gradients: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        if not self._momentum:
            return gradients
        if not self._buffers:
            self._buffers = [gradient.clone() for gradient in gradients]
        else:
            for buffer, gradient in zip(self._buffers, gradients, strict=True):
                buffer.mul_(self._momentum).add_(gradient, alpha=1)
        if not self._nesterov:
            return self._buffers
        pairs = zip(gradients, self._buffers, strict=True)
        return [gradient.add(buffer, alpha=self._momentum) for gradient, buffer in pairs]

    def slots(self) -> Slots:
        return [{"momentum_buffer": buffer} for buffer in self._buffers] or [{} for _ in self._parameters]
