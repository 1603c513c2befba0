"""Optimizers, and the learning rate as one pure function of the step."""

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
"""OneCycleLR's defaults: it starts at 1/25 of the rate, ends 10,000 times lower, and rises for 30 % of the steps."""


def make_optimizer(model: nn.Module, settings: OptimConfig, *, rate_decay: float) -> Optimizer:
    """Return the optimizer of the settings over all trainable parameters.

    Args:
        rate_decay: Learning rate of each stage of the backbone as a share of the next one's.
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
    """Return the trainable parameters, the head first: in one group, or in one per stage with a rate of its own.

    Source: discriminative fine-tuning, ULMFiT, Howard and Ruder, arXiv:1801.06146, section 3.1; layer-wise learning
    rate decay, BEiT, Bao et al., arXiv:2106.08254, as timm's `param_groups_layer_decay` has it
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
    """A torch scheduler to step after every optimizer step.

    Args:
        factor: What the learning rates are multiplied with at each step, from 0; None: as the settings say.
    """
    return LambdaLR(optimizer, factor or RateFactor.of(settings, steps_per_epoch).at)


@dataclass(frozen=True, kw_only=True)
class RateFactor:
    """What the learning rate is multiplied with at each step, counted from 0.

    Warm-up is linear and reaches 1 at step `warmup_steps`, where the schedule begins and runs for the steps left. A
    one-cycle schedule has a rise of its own, which takes the steps of the warm-up where there is one.
    Same values as torch's LinearLR, CosineAnnealingLR, OneCycleLR (without its momentum cycle) and StepLR.
    Source: SGDR, Loshchilov and Hutter, arXiv:1608.03983; Super-Convergence, Smith and Topin, arXiv:1708.07120
    """

    schedule: str
    total_steps: int
    warmup_steps: int = 0
    every_steps: int = 1
    """Of the step schedule: how many steps until the next multiplication with `gamma`."""
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


def _one_cycle(step: int, steps: int, rising: float) -> float:
    top, last = rising - 1, steps - 1
    if step < top:
        return _cosine(_START, 1, step / top)
    if last <= top:  # nothing but warm-up: epochs of one step
        return 1.0
    return _cosine(1, _END, min((step - top) / (last - top), 1))


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * part))
