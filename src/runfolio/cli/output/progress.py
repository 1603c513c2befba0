"""Progress display for long commands: progress bars on stderr if stderr is a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from runfolio.cli.output.console import stderr_console
from runfolio.record.base.visible_text import visible_line

if TYPE_CHECKING:
    from rich.progress import Progress, Task
    from rich.text import Text

Item = TypeVar("Item")
_MANY = 200
"""Minimum number of runs for which a progress bar is shown."""


def with_progress_bar(runs: Sequence[Item], description: str) -> Iterable[Item]:
    """Iterate over runs or run folders, and show a progress bar if there are many."""
    if len(runs) < _MANY:
        yield from runs
        return
    with progress_display() as progress:
        yield from progress.track(runs, description=description)


def progress_display() -> Progress:
    """Return a progress display for one or several tasks. It is invisible unless stderr is a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    class DescriptionColumn(TextColumn):
        def render(self, task: Task) -> Text:
            return _plain_description(task.description)

    console = stderr_console()
    return Progress(
        # On a narrow terminal, the description is shortened, not the progress bar.
        DescriptionColumn("", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
        console=console,
        expand=True,
        speed_estimate_period=3600,  # seconds, because a run of a series takes longer than rich's default
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not console.is_terminal,
    )


def _plain_description(description: str) -> Text:
    """Return a task's description without markup. The description may contain a run's name, which is untrusted."""
    from rich.errors import MarkupError
    from rich.text import Text

    try:
        plain = Text.from_markup(description, emoji=False).plain
    except MarkupError:
        plain = description
    return Text(visible_line(plain))
