"""Notices about a training run, shown on the terminal and recorded with the run."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

from runfolio.record.base.visible_text import visible_line

if TYPE_CHECKING:
    from rich.progress import Progress

    from runfolio import Run


class TrainingWarning(UserWarning):
    """Warning about a training run, such as a loss that is not finite."""


class Notices:
    """Notices of one run. Each notice is shown once on the terminal and logged with the run."""

    def __init__(self, run: Run, progress: Progress | None) -> None:
        """Create an empty collection of notices.

        Args:
            progress: Progress display on which notices are printed. By default, notices are issued as Python warnings.
        """
        self._run = run
        self._progress = progress
        self._shown: set[str] = set()

    def once(self, kind: str, text: str) -> None:
        """Show and log the text, unless a notice of this kind has already been shown."""
        if kind in self._shown:
            return
        self._shown.add(kind)
        self._run.log_text("notice", text)
        message = f"{self._run.name}: {text}"
        if self._progress is None:
            warnings.warn(visible_line(message), TrainingWarning, stacklevel=2)
        else:
            self._progress.console.print(message, style="yellow", markup=False, soft_wrap=True)

    def all(self, texts: Iterable[str]) -> None:
        """Show and log each text once."""
        for text in texts:
            self.once(text, text)
