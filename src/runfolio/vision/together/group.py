"""Which runs of a series train the same head but for its optimization, and what each of those came to."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from runfolio.vision.cached.serving import can_serve
from runfolio.vision.settings import TrainSettings
from runfolio.vision.together.heads import HeadState, LinearHead, StackedHeads, StackedState

if TYPE_CHECKING:
    from rich.progress import Progress

    from runfolio.vision.engine import Training

log = logging.getLogger("runfolio")
_OWN = (
    *("lr", "weight_decay", "label_smoothing", "epochs", "schedule", "warmup_epochs", "step_epochs", "gamma"),
    *("patience", "test_at", "keep_best", "checkpoint_minutes", "checkpoint_budget", "tensorboard"),
)
"""Settings in which heads may differ: what a step makes of gradients, and what is kept of it."""


@dataclass(frozen=True)
class _Epoch:
    """What an epoch of several heads came to."""

    losses: torch.Tensor
    """[steps, heads], each the mean over a batch."""
    sums: torch.Tensor
    """[heads, 2] float64: over the epoch's images, of their losses and of right answers."""
    seconds: float
    before: dict[int, StackedState]
    """How the heads were before the steps that are watched, but for the epoch's first."""
    end: StackedState


@dataclass(frozen=True, eq=False)
class _Group:
    """What all epochs of heads that were trained together came to."""

    epochs: list[_Epoch]
    size_bytes: int


class EpochOfHead:
    """What an epoch of one of them came to."""

    def __init__(self, epoch: _Epoch, head: int) -> None:
        self.losses = epoch.losses[:, head]
        """[steps], each the mean over a batch."""
        self.sums = epoch.sums[head]
        """[2] float64: over the epoch's images, of their losses and of right answers."""
        self.seconds = epoch.seconds / len(epoch.sums)
        """Its share of what all of them took."""
        self.end = epoch.end.of(head)
        self._before, self._head = epoch.before, head

    def before(self, step: int) -> HeadState | None:
        """How it was before a step that is watched; None of all others, and of the epoch's first."""
        return self._before[step].of(self._head) if step in self._before else None

    @property
    def is_finite(self) -> bool:
        return bool(self.losses.isfinite().all()) and self.end.is_finite


@dataclass(frozen=True)
class Course:
    """The training of one head beside others."""

    group: _Group
    _head: int

    @property
    def heads(self) -> int:
        """How many were trained together."""
        return len(self.group.epochs[0].sums)

    def epoch(self, number: int) -> EpochOfHead:
        """Counted from 0."""
        return EpochOfHead(self.group.epochs[number], self._head)


class HeadsTogether:
    """The heads of a series that see the same features in the same order; those that are yet to be trained."""

    def __init__(self, settings: Iterable[TrainSettings], memory_bytes: int = 256 * 1024 * 1024) -> None:
        """Args:
        settings: Of all runs that are to begin, in their order.
        memory_bytes: What is trained and not taken yet may come to so much.
        """
        self._waiting = [each for each in settings if _can_join(each)]
        self._memory_bytes = memory_bytes
        self._courses: dict[TrainSettings, Course] = {}

    def leave(self, settings: TrainSettings) -> bool:
        """A run begins, and waits no longer to be trained with others; whether it did."""
        waited = settings in self._waiting
        self._waiting = [each for each in self._waiting if each != settings]
        return waited

    def course(self, settings: TrainSettings) -> Course | None:
        """What the head of a run came to, if it was trained; it is given away once."""
        return self._courses.pop(settings, None)

    def train(self, training: Training, head: LinearHead, begin: HeadState, progress: Progress | None) -> None:
        """Train the head of a run that has trained its first epoch, and with it those that wait and begin like it.

        Args:
            begin: The head before that epoch. Where what is trained here does not come to how it is now, to the bit,
                nothing is.
        """
        settings = training.settings
        alike = _alike(settings)
        waiting = [settings, *(each for each in self._waiting if _alike(each) == alike)]
        # A run that another one continues is the beginning of that one's.
        longest = [each for each in waiting if not any(other.continues(each) for other in waiting)]
        longest.sort(key=lambda each: not _covers(each, settings))
        of_each = _bytes(longest, training, begin)
        held = sum(group.size_bytes for group in {course.group for course in self._courses.values()})
        longest = longest[: max(0, self._memory_bytes - held) // of_each]
        if len(longest) < 2:
            return
        members = [(each, place) for each in waiting for place, own in enumerate(longest) if _covers(own, each)]
        self._waiting = [each for each in self._waiting if each not in dict(members)]
        try:
            epochs = _train(longest, training, head, begin, progress)
        except Exception as error:  # of one of them, or of all: each meets it by itself, if it is its own
            log.info("heads are not trained together: %s", error)
            return
        if epochs:
            group = _Group(epochs, len(longest) * of_each)
            self._courses |= {each: Course(group, place) for each, place in members}


def _covers(longest: TrainSettings, settings: TrainSettings) -> bool:
    return settings == longest or longest.continues(settings)


def _train(
    members: Sequence[TrainSettings],
    training: Training,
    head: LinearHead,
    begin: HeadState,
    progress: Progress | None,
) -> list[_Epoch]:
    """All epochs of all heads; none where the first one's come to something else than its own training did."""
    heads = StackedHeads(begin, members, training.steps_per_epoch)
    count = max(each.epochs for each in members)
    done = HeadState.of(head.parameters, training.optimizer)
    task = progress.add_task(f"{len(members)} heads together", total=count) if progress else None
    epochs: list[_Epoch] = []
    try:
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(begin.generator)
            for number in range(count):
                epochs.append(_train_epoch(heads, len(members), training, number, head.dropout))
                if number == 0 and not epochs[0].end.of(0).is_same_as(done):
                    return []
                if progress and task is not None:
                    progress.advance(task)
    finally:
        if progress and task is not None:
            progress.remove_task(task)
    return epochs


def _train_epoch(heads: StackedHeads, count: int, training: Training, number: int, dropout: float) -> _Epoch:
    began = time.perf_counter()
    first, watch = number * training.steps_per_epoch, training.settings.watch
    losses, before = [], {}
    sums = torch.zeros(count, 2, dtype=torch.float64)
    for step, (features, labels) in enumerate(training.features_of(number), start=first):
        if step > first and watch and step % watch == 0:
            before[step] = heads.state()
        done = heads.step(functional.dropout(features, dropout, training=True), labels)
        # As `Tally` adds up, to the bit.
        sums += torch.stack([done.losses.double() * len(labels), done.correct.double()], dim=1)
        losses.append(done.losses)
    return _Epoch(torch.stack(losses), sums, time.perf_counter() - began, before, heads.state())


def _bytes(members: Sequence[TrainSettings], training: Training, begin: HeadState) -> int:
    """That what one head comes to takes."""
    epochs, watch = max(each.epochs for each in members), training.settings.watch
    states = epochs + (epochs * training.steps_per_epoch // watch if watch else 0)
    return states * begin.size_bytes


def _can_join(settings: TrainSettings) -> bool:
    """Whether its head trains by plain steps, on features that are served in every epoch, for more than one."""
    plain = (
        *(settings.unfreeze_after is None, settings.accumulate == 1, settings.clip is None, settings.ema is None),
        *(settings.precision == "32", not settings.compile, not settings.profile),
    )
    # Of a step in the midst of an epoch nothing is known that could be saved.
    return can_serve(settings) and all(plain) and settings.epochs > 1 and settings.checkpoint_steps is None


def _alike(settings: TrainSettings) -> str:
    """What heads have in common that are trained together."""
    shared = {name: value for name, value in settings.as_dict().items() if name not in _OWN}
    return json.dumps(shared, sort_keys=True)
