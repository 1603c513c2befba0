"""Description of the terminal for plots: its size and whether it shows colours."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from runfolio.cli.output.console import stdout_console

if TYPE_CHECKING:
    from runfolio.query.plots.terminal import Screen

_PIPE_SIZE = (80, 24)


def plot_screen(size: tuple[float, float] | None = None) -> Screen:
    """Return a screen with the size of the terminal, or with `size` in characters. In a pipe, it has no colours."""
    from runfolio.query.plots.terminal import Screen

    console = stdout_console()
    colour = console.is_terminal and not console.no_color
    if size is not None:
        return Screen(width=max(30, int(size[0])), height=max(8, int(size[1])), colour=colour)
    terminal = shutil.get_terminal_size(_PIPE_SIZE)
    return Screen(width=max(30, terminal.columns), height=max(10, min(24, terminal.lines - 6)), colour=colour)
