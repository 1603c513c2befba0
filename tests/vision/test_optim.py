"""Learning rate schedules, compared with the schedulers of torch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, OneCycleLR, StepLR

from runfolio.vision import TrainSettings
from runfolio.vision.loop.optimizers import RateFactor, make_optimizer, make_scheduler
from runfolio.vision.settings import OptimConfig


def a_layer() -> torch.nn.Module:
    return torch.nn.Linear(1, 1)


def an_sgd() -> SGD:
    return SGD(a_layer().parameters(), lr=1.0)


def rates(optimizer: torch.optim.Optimizer, scheduler: LRScheduler, steps: int) -> list[float]:
    """Return the learning rate of each step of a training run with `steps` steps."""
    rates_by_step = []
    for step in range(steps):
        rates_by_step.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < steps - 1:
            scheduler.step()
    return rates_by_step


def ours(steps: int, **schedule) -> list[float]:
    factor = RateFactor(total_steps=steps, **schedule)
    return [factor.at(step) for step in range(steps)]


@given(steps=st.integers(1, 60))
def test_cosine_schedule_equals_torch(steps):
    optimizer = an_sgd()

    assert ours(steps, schedule="cosine") == pytest.approx(
        rates(optimizer, CosineAnnealingLR(optimizer, T_max=steps), steps)
    )


@given(steps=st.integers(1, 60))
def test_one_cycle_schedule_equals_torch(steps):
    optimizer = an_sgd()
    scheduler = OneCycleLR(optimizer, max_lr=1.0, total_steps=steps, cycle_momentum=False) if steps > 1 else None

    if scheduler is not None:
        assert ours(steps, schedule="one-cycle") == pytest.approx(rates(optimizer, scheduler, steps))


@given(warmup=st.integers(2, 30), after=st.integers(1, 30))  # torch divides by zero if the rise has one step
def test_the_rise_of_one_cycle_takes_the_steps_of_the_warm_up(warmup, after):
    optimizer, steps = an_sgd(), warmup + after
    scheduler = OneCycleLR(optimizer, max_lr=1.0, total_steps=steps, pct_start=warmup / steps, cycle_momentum=False)

    assert ours(steps, schedule="one-cycle", warmup_steps=warmup) == pytest.approx(rates(optimizer, scheduler, steps))


@given(steps=st.integers(1, 60), every=st.integers(1, 20), gamma=st.floats(0.1, 1))
def test_step_schedule_equals_torch(steps, every, gamma):
    optimizer = an_sgd()

    assert ours(steps, schedule="step", every_steps=every, gamma=gamma) == pytest.approx(
        rates(optimizer, StepLR(optimizer, step_size=every, gamma=gamma), steps)
    )


@given(warmup=st.integers(1, 30), after=st.integers(1, 30))
def test_warm_up_equals_torchs_linear_schedule(warmup, after):
    optimizer = an_sgd()
    linear = LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)

    assert ours(warmup + after, schedule="constant", warmup_steps=warmup) == pytest.approx(
        rates(optimizer, linear, warmup + after)
    )


@given(warmup=st.integers(0, 30), after=st.integers(1, 30), schedule=st.sampled_from(["cosine", "step"]))
def test_schedule_starts_after_warm_up(warmup, after, schedule):
    whole = ours(warmup + after, schedule=schedule, warmup_steps=warmup)

    assert whole[warmup:] == ours(after, schedule=schedule)


@given(
    schedule=st.sampled_from(["constant", "cosine", "one-cycle", "step"]),
    warmup=st.integers(0, 10),
    total=st.integers(1, 50),
    step=st.integers(0, 100),
)
def test_rate_factor_is_between_0_and_1(schedule, warmup, total, step):
    assert 0 <= RateFactor(schedule=schedule, total_steps=total, warmup_steps=warmup).at(step) <= 1


def test_settings_in_epochs_become_steps():
    settings = TrainSettings(schedule="step", step_epochs=2, gamma=0.5, warmup_epochs=0.5, epochs=6)

    assert RateFactor.of(settings, steps_per_epoch=10) == RateFactor(
        schedule="step", total_steps=60, warmup_steps=5, every_steps=20, gamma=0.5
    )


@pytest.mark.parametrize(
    ("settings", "kind", "expected"),
    [
        (
            {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
            SGD,
            {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        ),
        ({"optimizer": "adam"}, Adam, {"weight_decay": 0, "decoupled_weight_decay": False}),
        ({"optimizer": "adamw", "weight_decay": 0.1}, AdamW, {"weight_decay": 0.1}),
    ],
)
def test_optimizer_is_that_of_the_settings(settings, kind, expected):
    optimizer = make_optimizer(a_layer(), OptimConfig(lr=0.25, **settings), rate_decay=1)

    assert type(optimizer) is kind
    assert {"lr": 0.25, **expected}.items() <= optimizer.param_groups[0].items()


def test_the_scheduler_sets_the_optimizers_rate_at_every_step():
    settings = TrainSettings(lr=0.5, schedule="cosine", warmup_epochs=1, epochs=3)
    optimizer = make_optimizer(a_layer(), settings, rate_decay=1)
    factor = RateFactor.of(settings, steps_per_epoch=4)

    seen = rates(optimizer, make_scheduler(optimizer, settings, steps_per_epoch=4), steps=12)

    assert seen == pytest.approx([0.5 * factor.at(step) for step in range(12)])
