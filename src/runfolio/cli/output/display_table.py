"""The one table type of the commands, printed for people, as JSON or as CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import click

from runfolio.cli.output.console import UNLIMITED_WIDTH, stdout_console
from runfolio.cli.output.json_output import print_json, to_json_value

OutputFormat = Literal["table", "json", "csv"]
Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_MIN_TEXT_WIDTH = 24
"""Characters of a text that are worth more than an optional column."""


def output_format_options(command: Decorated) -> Decorated:
    """Add `--json` and `--csv`; the command gets `output`, an `OutputFormat`."""
    as_json = click.option("--json", "output", flag_value="json", default="table", help="Print JSON.")
    as_csv = click.option("--csv", "output", flag_value="csv", help="Print CSV.")
    return as_json(as_csv(command))


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its name in JSON and CSV, its heading, and the format of its values for people."""

    key: str
    title: str
    formatter: Callable[[Sequence[Any]], list[str]]
    """Formats all values of the column at once, so that numbers get the same decimals."""
    number: bool = False
    optional: bool = False
    """Left out if the terminal is too narrow."""
    style: Callable[[Any], str | None] = lambda value: None


@dataclass(frozen=True, kw_only=True)
class DisplayTable:
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    best: int | None = None
    """Index of the highlighted row."""


def print_table(table: DisplayTable, output: OutputFormat = "table") -> None:
    """Print a table to stdout."""
    if output == "json":
        print_json([{column.key: row.get(column.key) for column in table.columns} for row in table.rows])
    elif output == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([column.key for column in table.columns])
        writer.writerows([[_csv_cell(row.get(column.key)) for column in table.columns] for row in table.rows])
    else:
        _print_rich_table(table)


def table_width(table: DisplayTable) -> int:
    """Return the columns of a terminal that the table needs; a long text can be cut."""
    return _width(table.columns, _formatted_columns(table))


def _csv_cell(value: Any) -> Any:
    value = to_json_value(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


def _print_rich_table(table: DisplayTable) -> None:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    console = stdout_console()
    formatted = _formatted_columns(table)
    columns = _fitting_columns(table.columns, formatted, console.width)
    rich_table = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column in columns:
        # If it is still too wide, texts give way to numbers, and end in an ellipsis instead of wrapping.
        side: Literal["left", "right"] = "right" if column.number else "left"
        rich_table.add_column(Text(column.title, no_wrap=True), justify=side, no_wrap=column.number, vertical="bottom")
    for index, row in enumerate(table.rows):
        cells = [
            Text(
                formatted[column.key][index],
                style=column.style(row.get(column.key)) or "",
                no_wrap=True,
                overflow="ellipsis",
            )
            for column in columns
        ]
        rich_table.add_row(*cells, style="bold green" if index == table.best else None)
    console.print(rich_table)


def _formatted_columns(table: DisplayTable) -> dict[str, list[str]]:
    return {column.key: column.formatter([row.get(column.key) for row in table.rows]) for column in table.columns}


def _fitting_columns(columns: Sequence[Column], formatted: Mapping[str, Sequence[str]], width: int) -> list[Column]:
    """Return the columns without as many optional ones as the width requires."""
    fitting = list(columns)
    while _width(fitting, formatted) > width and (optional := [column for column in fitting if column.optional]):
        fitting.remove(optional[-1])
    return fitting


def _width(columns: Sequence[Column], formatted: Mapping[str, Sequence[str]]) -> int:
    widest = [max(map(len, [*column.title.split("\n"), *formatted[column.key]])) for column in columns]
    limits = [UNLIMITED_WIDTH if column.number else _MIN_TEXT_WIDTH for column in columns]
    return sum(map(min, widest, limits)) + 2 * (len(columns) - 1)
