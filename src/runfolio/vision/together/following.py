"""A run that takes over epochs of its head from where they were trained beside others.

Its first epoch it trains by itself, and compares: where the head, its optimizer and the random generator are equal to
the bit, so are the others. Steps that `watch` asks for it does by itself too, from the very state before them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING

import torch

from runfolio.query.sharing import TOGETHER
from runfolio.vision.together.group import Course, EpochOfHead, HeadsTogether
from runfolio.vision.together.heads import HeadState, LinearHead

if TYPE_CHECKING:
    from rich.progress import Progress

    from runfolio import Run
    from runfolio.vision.engine import Batches, Training
    from runfolio.vision.tally import Figures

OnStep = Callable[[torch.Tensor], None]


def following(
    together: HeadsTogether, training: Training, run: Run, progress: Progress | None
) -> Callable[[OnStep], Figures] | None:
    """What trains an epoch of a run in the place of `training.train_epoch`; None of a run that has no part in it."""
    size = training.features
    head = LinearHead.of(training.model, size) if size else None
    waited, course = together.leave(training.settings), together.course(training.settings)
    if head is None or not (waited or course):
        return None
    return _Follower(together, course, head, training, run, progress).train_epoch


class _Follower:
    def __init__(
        self,
        together: HeadsTogether,
        known: Course | None,
        head: LinearHead,
        training: Training,
        run: Run,
        progress: Progress | None,
    ) -> None:
        """Args:
        known: What the head comes to beside others, where those were trained before it.
        """
        self._together, self._known, self._head, self._training = together, known, head, training
        self._run, self._progress = run, progress
        self._begin = None if training.step or known else self._state()
        self._course: Course | None = None
        self._has_trained = self._has_compared = False

    def train_epoch(self, on_step: OnStep) -> Figures:
        epoch = self._next_epoch()
        if epoch is not None:
            return self._take_over(epoch, on_step)
        self._has_trained = True
        return self._training.train_epoch(on_step)

    def _state(self) -> HeadState:
        return HeadState.of(self._head.parameters, self._training.optimizer)

    def _next_epoch(self) -> EpochOfHead | None:
        """What the epoch that begins comes to, if that is known."""
        if self._has_trained and not self._has_compared:
            self._compare()
        if self._course is None:
            return None
        epoch = self._course.epoch(self._training.epoch)
        if not epoch.is_finite:  # where that comes from is found by training it
            self._course = None
            self._watch()
            return None
        return epoch

    def _compare(self) -> None:
        """Take what the head comes to, if that is how it came to be as it is now."""
        training, self._has_compared = self._training, True
        course, self._known = self._known, None
        if self._begin is not None:
            self._together.train(training, self._head, self._begin, self._progress)
            course, self._begin = self._together.course(training.settings), None
        if course is None or not course.epoch(training.epoch).is_finite:
            return
        if course.epoch(training.epoch - 1).end.is_same_as(self._state()):
            self._course = course
            self._run.unwatch(training.model)
            self._run.summary[TOGETHER] = course.heads

    def _take_over(self, epoch: EpochOfHead, on_step: OnStep) -> Figures:
        training, watch = self._training, self._training.settings.watch
        began = time.perf_counter()
        for loss in epoch.losses:
            if watch and training.step % watch == 0:
                if (before := epoch.before(training.step)) is not None:
                    before.put_into(self._head.parameters, training.optimizer)
                self._watch()
                training.train_epoch(on_step, _first)
                self._run.unwatch(training.model)
            else:
                training.take_step(loss, on_step)
        epoch.end.put_into(self._head.parameters, training.optimizer)
        return training.take_sums(epoch.sums, epoch.seconds + time.perf_counter() - began)

    def _watch(self) -> None:
        training = self._training
        if training.settings.watch:
            self._run.watch(training.model, training.settings.watch, step=training.step)


def _first(batches: Batches) -> Iterable:
    return islice(batches, 1)
