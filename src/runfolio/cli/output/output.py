"""What every command prints with: one table type, shown for eyes, as JSON or as CSV."""

from __future__ import annotations

import csv
import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from runfolio.record.base.files import number_to_json

if TYPE_CHECKING:
    from rich.console import Console

Format = Literal["table", "json", "csv"]
Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_WIDE = 10_000
"""Columns of a "terminal" that is a file or a pipe: nothing is cut there."""
_TEXT_AT_LEAST = 24
"""So many letters of a text are worth more than a spare column."""


def format_options(command: Decorated) -> Decorated:
    """`--json` and `--csv`; the command gets `output`, one of `Format`."""
    as_json = click.option("--json", "output", flag_value="json", default="table", help="Print JSON.")
    as_csv = click.option("--csv", "output", flag_value="csv", help="Print CSV.")
    return as_json(as_csv(command))


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its name in JSON and CSV, its heading, and how people want to see its values."""

    key: str
    title: str
    show: Callable[[Sequence[Any]], list[str]]
    """All values of the column at once, so that numbers get the same decimals."""
    number: bool = False
    spare: bool = False
    """May be left out where the terminal is too narrow."""
    style: Callable[[Any], str | None] = lambda value: None


@dataclass(frozen=True, kw_only=True)
class Table:
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    best: int | None = None
    """The row to stand out."""


def show_table(table: Table, output: Format) -> None:
    """Print a table to stdout."""
    if output == "json":
        rows = [{column.key: plain(row.get(column.key)) for column in table.columns} for row in table.rows]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif output == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([column.key for column in table.columns])
        writer.writerows([[_cell(row.get(column.key)) for column in table.columns] for row in table.rows])
    else:
        _show_rich(table)


def width_of(table: Table) -> int:
    """Columns of a terminal that the table needs; a long text can do with less than all of it."""
    return _width(table.columns, _shown(table))


def stdout() -> Console:
    """A console on stdout; a table that goes to a file or a pipe is as wide as it needs to be."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE
    return Console(width=width, highlight=False)


def stderr() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Prose on stdout, wrapped between words."""
    stdout().print(text, markup=False)


def line(text: str, style: str | None = None) -> None:
    """A line on stdout that stays one, so that a path or a command in it can be copied."""
    stdout().print(text, style=style, markup=False, soft_wrap=True)


def store_flag(store: Path | None) -> str:
    """What a suggested command must repeat to find the same store."""
    return "" if store is None else f" --store {shlex.quote(str(store))}"


def count(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def warn(lines: Sequence[str]) -> None:
    """What the user should know beside the answer, on stderr."""
    for text in lines:
        stderr().print(f"warning: {text}", style="yellow", markup=False, soft_wrap=True)


def complain(text: str) -> None:
    """What went wrong, on stderr."""
    stderr().print(text, style="red", markup=False, soft_wrap=True)


def plain(value: Any) -> Any:
    """A value as JSON can hold it: numbers JSON lacks become "NaN", "Infinity" and "-Infinity", as in the record."""
    if isinstance(value, float):
        return number_to_json(value)
    if hasattr(value, "_asdict"):  # a NamedTuple
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _cell(value: Any) -> Any:
    value = plain(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


def _show_rich(table: Table) -> None:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    console = stdout()
    shown = _shown(table)
    columns = _fitting(table.columns, shown, console.width)
    rich_table = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column in columns:
        # Where it is still too wide, texts give way to numbers, and end in an ellipsis rather than wrap.
        side: Literal["left", "right"] = "right" if column.number else "left"
        rich_table.add_column(Text(column.title, no_wrap=True), justify=side, no_wrap=column.number, vertical="bottom")
    for number, row in enumerate(table.rows):
        cells = [
            Text(
                shown[column.key][number],
                style=column.style(row.get(column.key)) or "",
                no_wrap=True,
                overflow="ellipsis",
            )
            for column in columns
        ]
        rich_table.add_row(*cells, style="bold green" if number == table.best else None)
    console.print(rich_table)


def _shown(table: Table) -> dict[str, list[str]]:
    return {column.key: column.show([row.get(column.key) for row in table.rows]) for column in table.columns}


def _fitting(columns: Sequence[Column], shown: Mapping[str, Sequence[str]], width: int) -> list[Column]:
    """The columns without those that can be spared, as far as the width asks for it."""
    fitting = list(columns)
    while _width(fitting, shown) > width and (spare := [column for column in fitting if column.spare]):
        fitting.remove(spare[-1])
    return fitting


def _width(columns: Sequence[Column], shown: Mapping[str, Sequence[str]]) -> int:
    widest = [max(map(len, [*column.title.split("\n"), *shown[column.key]])) for column in columns]
    limits = [_WIDE if column.number else _TEXT_AT_LEAST for column in columns]
    return sum(map(min, widest, limits)) + 2 * (len(columns) - 1)
