"""A training's line in a rich progress display that belongs to the caller; without a display, nothing."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.markup import escape

if TYPE_CHECKING:
    from rich.progress import Progress


class Meter:
    """One task that counts steps over all epochs. It leaves the display when the training ends, however it ends."""

    def __init__(self, progress: Progress | None, name: str, *, epochs: int, steps: int, done: int = 0) -> None:
        self._progress = progress
        self._name = escape(name)
        self._epochs = epochs
        self._so_far = ""
        if progress is not None:
            self._task = progress.add_task(self._name, total=epochs * steps, completed=done)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.remove_task(self._task)

    def epoch(self, number: int) -> None:
        """Epoch `number`, from 1, begins."""
        self._describe(f"epoch {number}/{self._epochs}{self._so_far}")

    def step(self) -> None:
        if self._progress is not None:
            self._progress.advance(self._task)

    def report(self, figures: Mapping[str, float], accuracy: str) -> None:
        """An epoch's figures, shown until the next: the training's loss, and the accuracy that picks the best epoch."""
        self._so_far = f" · loss {figures['train/loss']:.3f}, {accuracy} {figures[accuracy]:.1%}"

    def say(self, doing: str) -> None:
        self._describe(f"{doing}{self._so_far}")

    def _describe(self, text: str) -> None:
        if self._progress is not None:
            self._progress.update(self._task, description=f"{self._name} · {text}")
