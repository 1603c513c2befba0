"""Functions that print on stdout and stderr. No other module of the command line prints.

Strings from a record are untrusted, so every function except `print_for_program` escapes terminal control characters
(`record/base/visible_text.py`).
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

import click

from runfolio.record.base.visible_text import visible_drawing, visible_line, visible_text, visible_traceback

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from runfolio.query.selection.caption import Caption

UNLIMITED_WIDTH = 10_000
"""Width in characters of output to a file or a pipe. It is so large that nothing is shortened."""
_FIELD_WIDTH = 8


def stdout_console() -> Console:
    """Return a console for stdout. In a file or a pipe, tables are as wide as their content requires."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else UNLIMITED_WIDTH
    return _console_type()(width=width, highlight=False, emoji=False)


def stderr_console() -> Console:
    return _console_type()(stderr=True, highlight=False, emoji=False)


@functools.cache
def _console_type() -> type[Console]:
    """Return a console class that escapes every string, including strings printed above a progress display."""
    from rich.console import Console
    from rich.text import Text

    class EscapingConsole(Console):
        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(visible_line(text), **options)

    return EscapingConsole


def print_text(text: str) -> None:
    """Print sentences on stdout, wrapped between words."""
    stdout_console().print(text, markup=False)


def print_caption(caption: Caption, *, explain: bool) -> None:
    """Print the short sentences of a caption. If `explain` is True, also print the details. Otherwise, print a hint to
    use `--explain`."""
    if caption.short:
        print_text(" ".join(caption.short))
    if explain:
        for sentence in caption.details:
            print_text(sentence)
    elif caption.details:
        print_text("--explain shows more.")


def print_line(text: str, style: str | None = None, *, stderr: bool = False) -> None:
    """Print a line without wrapping it, so that users can copy a path or a command from it."""
    console = stderr_console() if stderr else stdout_console()
    console.print(text, style=style, markup=False, soft_wrap=True)


def print_field(name: str, text: str, style: str | None = None, *, stderr: bool = False) -> None:
    """Print a field on a separate line.

    On a terminal, a long value continues on indented lines. The indentation distinguishes these lines from other
    fields.
    """
    from rich.cells import chop_cells

    console = stderr_console() if stderr else stdout_console()
    text = visible_line(text)
    rows = chop_cells(text, max(20, console.width - _FIELD_WIDTH - 1)) if console.is_terminal else [text]
    for label, row in zip([name, *[""] * len(rows)], rows, strict=False):
        console.print(f"{label:<{_FIELD_WIDTH}} {row}", style=style, markup=False, soft_wrap=True)


def print_heading(title: str, *, stderr: bool = False) -> None:
    """Print an empty line and the bold title of a section."""
    print_line("", stderr=stderr)
    print_line(title, "bold", stderr=stderr)


def print_lines(text: str, style: str | None = None) -> None:
    """Print a string on stdout that may have several lines, such as notes or a table of layers."""
    from rich.text import Text

    stdout_console().print(Text(visible_text(text)), style=style, soft_wrap=True)


def print_renderable(renderable: RenderableType) -> None:
    """Print a rich table on stdout. Strings in it are escaped here, but `Text` objects must already be escaped."""
    stdout_console().print(renderable)


def print_drawing(text: str) -> None:
    """Print a plot on stdout. Control sequences take effect only if they set colours."""
    click.echo(visible_drawing(text))


def print_log(text: str) -> None:
    """Print a piece of a console log on stdout, with its colours and without adding a newline."""
    click.echo(visible_drawing(text), nl=False)


def print_for_program(text: str) -> None:
    """Print output for other programs, such as JSON, CSV or a patch, on stdout without escaping it."""
    click.echo(text, nl=False, color=True)


def program_stdout() -> IO[bytes]:
    """Return stdout as a binary file, for long output that other programs read. The output is not escaped."""
    return sys.stdout.buffer


def print_warnings(warnings: Sequence[str]) -> None:
    """Print warnings on stderr."""
    for text in warnings:
        print_line(f"warning: {text}", "yellow", stderr=True)


def print_error(text: str) -> None:
    """Print an error on stderr."""
    print_line(text, "red", stderr=True)


def print_failure(*lines: str) -> None:
    """Print the reason why a command failed, on stderr."""
    for text in lines:
        click.echo(visible_line(text), err=True)


def print_traceback(error: BaseException) -> None:
    """Print the traceback of an error on stderr."""
    click.echo(visible_traceback(error), err=True, nl=False)


def ask(question: str, *, stderr: bool = False) -> bool:
    """Ask a yes-or-no question, and return whether the user agrees.

    Raises:
        click.Abort: The input ended.
    """
    return click.confirm(visible_line(question), err=stderr)
