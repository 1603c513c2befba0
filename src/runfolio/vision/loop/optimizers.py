"""Optimizers and learning rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from runfolio.vision.models.memory_layout import keep_state_layout
from runfolio.vision.models.stages import stages
from runfolio.vision.settings import OptimConfig, ScheduleConfig

_START, _END = 1 / 25, 1 / 25 / 1e4
_RISING = 0.3
"""Default values of torch's OneCycleLR schedule. The learning rate starts at 1/25 of its maximum and rises for 30 % of
the steps. It ends at 1/10,000 of its initial value."""


def make_optimizer(model: nn.Module, settings: OptimConfig, *, rate_decay: float) -> Optimizer:
    """Return the optimizer of the trainable parameters.

    Args:
        rate_decay: Ratio of each backbone stage's learning rate to the rate of the next stage, which is nearer to the
            head.
    """
    optimizer = _optimizer(_groups(model, settings.lr, rate_decay), settings)
    keep_state_layout(optimizer)
    return optimizer


def _optimizer(groups: list[dict[str, Any]], settings: OptimConfig) -> Optimizer:
    if settings.optimizer == "sgd":
        return SGD(
            groups,
            lr=settings.lr,
            momentum=settings.momentum,
            nesterov=settings.nesterov,
            weight_decay=settings.weight_decay,
        )
    family = {"adam": Adam, "adamw": AdamW}[settings.optimizer]
    return family(groups, lr=settings.lr, weight_decay=settings.weight_decay)


def _groups(model: nn.Module, lr: float, rate_decay: float) -> list[dict[str, Any]]:
    """Return one parameter group, or one group per stage if the stages have different rates. The head comes first.

    Sources: discriminative fine-tuning in ULMFiT (Howard and Ruder, arXiv:1801.06146, section 3.1), and layer-wise
    learning rate decay in BEiT (Bao et al., arXiv:2106.08254). See also timm's `param_groups_layer_decay`.
    """
    if rate_decay == 1:
        return [{"params": _trainable(model.parameters())}]
    groups = [
        {"params": _trainable(stage), "lr": lr * rate_decay**distance} for distance, stage in enumerate(stages(model))
    ]
    return [group for group in groups if group["params"]]


def _trainable(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    return [parameter for parameter in parameters if parameter.requires_grad]


def make_scheduler(
    optimizer: Optimizer, settings: ScheduleConfig, steps_per_epoch: int, factor: Callable[[int], float] | None = None
) -> LambdaLR:
    """Return a scheduler whose `step` must be called after each optimizer step.

    Args:
        factor: Function that returns the factor of the learning rates at a step, counted from 0. The default is the
            schedule of the settings.
    """
    return LambdaLR(optimizer, factor or RateFactor.of(settings, steps_per_epoch).at)


@dataclass(frozen=True, kw_only=True)
class RateFactor:
    """Factor of the learning rate as a function of the step. Steps are counted from 0.

    Warm-up is linear and reaches 1 at step `warmup_steps`. The schedule then runs for the remaining steps. The
    one-cycle schedule rises during the warm-up steps, or by default for 30 % of all steps. The values equal those of
    torch's LinearLR, CosineAnnealingLR, OneCycleLR (without its momentum cycle) and StepLR.
    Source: SGDR, Loshchilov and Hutter, arXiv:1608.03983; Super-Convergence, Smith and Topin, arXiv:1708.07120
    """

    schedule: str
    total_steps: int
    warmup_steps: int = 0
    every_steps: int = 1
    """Number of steps between two multiplications by `gamma` in the step schedule."""
    gamma: float = 0.1

    @classmethod
    def of(cls, settings: ScheduleConfig, steps_per_epoch: int) -> RateFactor:
        return cls(
            schedule=settings.schedule,
            total_steps=settings.epochs * steps_per_epoch,
            warmup_steps=round(settings.warmup_epochs * steps_per_epoch),
            every_steps=settings.step_epochs * steps_per_epoch,
            gamma=settings.gamma,
        )

    def at(self, step: int) -> float:
        if self.schedule == "one-cycle":
            return _one_cycle(step, self.total_steps, self.warmup_steps or _RISING * self.total_steps)
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        step, steps = step - self.warmup_steps, max(self.total_steps - self.warmup_steps, 1)
        if self.schedule == "cosine":
            return _cosine(1, 0, min(step / steps, 1))
        if self.schedule == "step":
            return self.gamma ** (step // self.every_steps)
        return 1.0


def _one_cycle(step: int, steps: int, rising_steps: float) -> float:
    peak, last = rising_steps - 1, steps - 1
    if step < peak:
        return _cosine(_START, 1, step / peak)
    if last <= peak:  # the rise takes all steps
        return 1.0
    return _cosine(1, _END, min((step - peak) / (last - peak), 1))


def _cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * fraction))
