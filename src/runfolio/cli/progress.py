"""The progress display of `train`, `resume` and `series`: bars on a terminal's stderr, nothing elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runfolio.cli.output import stderr

if TYPE_CHECKING:
    from rich.progress import Progress


def progress_display() -> Progress:
    """A display that tasks can be added to; elsewhere than on a terminal it shows none of them."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = stderr()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(compact=True),
        console=console,
        speed_estimate_period=3600,  # one run of a series takes longer than rich looks back by itself
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not console.is_terminal,
    )
