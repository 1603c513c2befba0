"""Text on stdout and stderr."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

UNLIMITED_WIDTH = 10_000
"""Columns of a "terminal" that is a file or a pipe: nothing is cut there."""
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def stdout_console() -> Console:
    """Return a console on stdout; a table that goes to a file or a pipe is as wide as it needs to be."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else UNLIMITED_WIDTH
    return Console(width=width, highlight=False)


def stderr_console() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def print_text(text: str) -> None:
    """Print prose on stdout, wrapped between words."""
    stdout_console().print(text, markup=False)


def print_line(text: str, style: str | None = None) -> None:
    """Print one unwrapped line on stdout, so that a path or a command in it can be copied."""
    stdout_console().print(text, style=style, markup=False, soft_wrap=True)


def print_warnings(warnings: Sequence[str]) -> None:
    """Print on stderr what the user should know in addition to the answer."""
    for text in warnings:
        stderr_console().print(f"warning: {text}", style="yellow", markup=False, soft_wrap=True)


def print_error(text: str) -> None:
    """Print on stderr what went wrong."""
    stderr_console().print(text, style="red", markup=False, soft_wrap=True)


def escape_controls(text: str) -> str:
    """Escape the control characters of recorded text, which would steer the terminal."""
    return _CONTROL_CHARACTER.sub(lambda match: repr(match[0])[1:-1], text)
