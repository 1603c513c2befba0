"""Progress bar of a training run in the caller's rich display, and one line of results per epoch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.markup import escape

if TYPE_CHECKING:
    from rich.progress import Progress


class EpochProgressBar:
    """Task of a rich display that counts the steps of all epochs. The task is removed on exit. If there is no display,
    nothing is shown."""

    def __init__(
        self,
        progress: Progress | None,
        name: str,
        log_line: Callable[[str], None],
        *,
        epochs: int,
        steps: int,
        completed: int = 0,
    ) -> None:
        """Add the task to the display.

        Args:
            log_line: Function that logs the result line of an epoch if the line is not printed.
            steps: Number of steps per epoch.
            completed: Number of steps that the run completed before it was resumed.
        """
        self._progress = progress
        self._name = escape(name)
        self._epochs = epochs
        self._log_line = log_line
        self._metrics = ""
        self._epoch = 0
        # A series already shows a task and prints one line per run. Therefore, the lines of epochs are only logged.
        self._prints_epochs = progress is not None and not progress.tasks
        if progress is not None:
            self._task = progress.add_task(self._name, total=epochs * steps, completed=completed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.remove_task(self._task)

    def start_epoch(self, number: int) -> None:
        """Show that an epoch starts.

        Args:
            number: Number of the epoch, counted from 1.
        """
        self._epoch = number
        self.show(f"epoch {number}/{self._epochs}")

    def advance(self) -> None:
        """Count one step."""
        if self._progress is not None:
            self._progress.advance(self._task)

    def report(self, metrics: Mapping[str, float], accuracy: str) -> None:
        """Show the training loss and the accuracy that determines the best epoch. Also write them as a permanent line.

        The line is printed to stdout unless this would disturb the bar. The run's console log always contains the line.
        """
        results = f"loss {metrics['train/loss']:.3f}, {accuracy} {metrics[accuracy]:.1%}"
        self._metrics = f" · {results}"
        line = (
            f"epoch {self._epoch:>{len(str(self._epochs))}}/{self._epochs}  {results}, {metrics['epoch_seconds']:.3g} s"
        )
        if self._progress is None or not self._prints_epochs:
            self._log_line(line)
        elif self._progress.console.is_terminal and sys.stdout.isatty():
            self._progress.console.print(line, markup=False, soft_wrap=True)
        else:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    def show(self, activity: str) -> None:
        """Show an activity and the metrics of the last epoch."""
        if self._progress is not None:
            self._progress.update(self._task, description=f"{self._name} · {activity}{self._metrics}")
