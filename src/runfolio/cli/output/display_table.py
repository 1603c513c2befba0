"""Table type of all commands. A table can be printed as text for people, as JSON, or as CSV."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from runfolio.cli.output.console import (
    UNLIMITED_WIDTH,
    print_for_program,
    print_line,
    print_renderable,
    stdout_console,
)
from runfolio.cli.output.json_output import print_json, to_json_value
from runfolio.record.base.visible_text import csv_text, visible_line, visible_text

if TYPE_CHECKING:
    from rich.table import Table as RichTable

OutputFormat = Literal["table", "json", "csv"]
Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_MIN_TEXT_WIDTH = 24
"""Minimum width in characters of each column of strings. If a column would be narrower, optional columns are
omitted."""
_LEAST_TEXT_WIDTH = 8
_LABEL_SHARE = 0.6
"""Maximum fraction of the width that the first column may use in each block of columns."""
_GAP = 2
"""Number of characters between two columns."""


def output_format_options(command: Decorated) -> Decorated:
    """Add `--json` and `--csv` to a command. The command receives the selected `OutputFormat` as `output`."""
    as_json = click.option("--json", "output", flag_value="json", default="table", help="Print JSON.")
    as_csv = click.option("--csv", "output", flag_value="csv", help="Print CSV.")
    return as_json(as_csv(command))


@dataclass(frozen=True, kw_only=True)
class Column:
    """Column of a table, with its key in JSON and CSV, its title, and the format of its values for people."""

    key: str
    title: str
    """Title, which may have several lines. A name from a record must be passed as one escaped line."""
    formatter: Callable[[Sequence[Any]], list[str]]
    """Function that formats all values of the column together, for example with the same number of decimals."""
    number: bool = False
    optional: int = 0
    """Priority of omission on a narrow terminal. The highest numbers are omitted first, and a column with 0 is never
    omitted."""
    wraps: bool = False
    """Wrap long strings instead of shortening them."""
    style: Callable[[Any], str | None] = lambda value: None


@dataclass(frozen=True, kw_only=True)
class DisplayTable:
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    best: int | None = None
    """Index of the highlighted row."""
    in_blocks: bool = False
    """True to print columns that do not fit the terminal below the others. Each block of columns repeats the first
    column.

    If False, long strings are shortened instead."""


def print_table(table: DisplayTable, output: OutputFormat = "table") -> None:
    """Print a table to stdout."""
    if output == "json":
        print_json([{column.key: row.get(column.key) for column in table.columns} for row in table.rows])
    elif output == "csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([_csv_cell(column.key) for column in table.columns])
        writer.writerows([[_csv_cell(row.get(column.key)) for column in table.columns] for row in table.rows])
        print_for_program(text.getvalue())
    else:
        _print_rich_table(table)


def table_width(table: DisplayTable) -> int:
    """Return the width in characters that the table needs after its long strings have been shortened."""
    return _width(table.columns, _formatted_columns(table))


def _csv_cell(value: Any) -> Any:
    """Return a value as a CSV cell: a number, or a safe string (see `csv_text`)."""
    value = to_json_value(value)
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False)
    return csv_text(value) if isinstance(value, str) else value


def _print_rich_table(table: DisplayTable) -> None:
    console = stdout_console()
    formatted = _formatted_columns(table)
    columns = _fitting_columns(table.columns, formatted, console.width)
    blocks = [columns]
    if table.in_blocks:
        blocks = _blocks(columns, formatted, console.width)
        label = columns[0].key
        formatted[label] = shorten_middle(formatted[label], int(console.width * _LABEL_SHARE))
    for number, block in enumerate(blocks):
        if number:
            print_line("")
        print_renderable(_rich_block(table, block, _shortened_texts(block, formatted, console.width)))


def _rich_block(table: DisplayTable, columns: Sequence[Column], formatted: Mapping[str, Sequence[str]]) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    rich_table = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column in columns:
        # If the table is still too wide, rich shortens strings before numbers. A shortened string ends in an ellipsis.
        side: Literal["left", "right"] = "right" if column.number else "left"
        title = Text(visible_text(column.title), no_wrap=True)
        rich_table.add_column(title, justify=side, no_wrap=column.number, vertical="bottom")
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
    return rich_table


def _formatted_columns(table: DisplayTable) -> dict[str, list[str]]:
    return {
        column.key: [visible_line(text) for text in column.formatter([row.get(column.key) for row in table.rows])]
        for column in table.columns
    }


def _fitting_columns(columns: Sequence[Column], formatted: Mapping[str, Sequence[str]], width: int) -> list[Column]:
    """Omit optional columns until the table fits the width. If several columns have the same priority, omit the
    widest."""
    fitting = list(columns)
    while _width(fitting, formatted) > width and any(column.optional for column in fitting):
        fitting.remove(max(fitting, key=lambda column: (column.optional, _widest(column, formatted))))
    return fitting


def _blocks(columns: Sequence[Column], formatted: Mapping[str, Sequence[str]], width: int) -> list[list[Column]]:
    """Split the columns into groups that fit the width. Every group starts with the first column, which names the
    rows."""
    label, *others = columns
    room = width - min(_widest(label, formatted), int(width * _LABEL_SHARE))
    blocks: list[list[Column]] = [[label]]
    used = 0
    for column in others:
        needed = _widest(column, formatted) + _GAP
        if used + needed > room and len(blocks[-1]) > 1:
            blocks.append([label])
            used = 0
        blocks[-1].append(column)
        used += needed
    return blocks


def _shortened_texts(
    columns: Sequence[Column], formatted: Mapping[str, Sequence[str]], width: int
) -> dict[str, Sequence[str]]:
    """Shorten the strings of the columns so that the table fits the width. The middles of long strings are removed.

    A column that wraps is not shortened. The first column names the rows. It is not shortened if two of its strings
    would become equal.
    """
    texts = sorted((column for column in columns if not column.number), key=lambda column: _widest(column, formatted))
    room = width - _GAP * (len(columns) - 1) - sum(_widest(column, formatted) for column in columns if column.number)
    shortened = {column.key: formatted[column.key] for column in columns}
    for number, column in enumerate(texts):
        share = max(_LEAST_TEXT_WIDTH, room // (len(texts) - number))
        shown = shorten_middle(formatted[column.key], share)
        if column.wraps or (column is columns[0] and len(set(shown)) < len(set(formatted[column.key]))):
            shown = [textwrap.fill(text, share, break_on_hyphens=False) for text in formatted[column.key]]
        shortened[column.key] = shown
        room -= min(_widest(column, formatted), share)
    return shortened


def shorten_middle(texts: Sequence[str], longest: int) -> list[str]:
    """Shorten strings to `longest` characters by removing their middles. Distinct strings stay distinct if possible."""
    half = (longest - 1) // 2
    cuts = (
        [_without_middle(text, longest, beginning) for text in texts]
        for beginning in sorted(range(longest), key=lambda beginning: abs(beginning - half))
    )
    shown = next(cuts)
    if len(set(shown)) < len(set(texts)):
        shown = max((shown, *cuts), key=lambda cut: len(set(cut)))
    return shown


def _without_middle(text: str, longest: int, beginning: int) -> str:
    """Shorten a string to `longest` characters: the first `beginning` characters, an ellipsis, and the end."""
    return text if len(text) <= longest else f"{text[:beginning]}…{text[len(text) - (longest - 1 - beginning) :]}"


def _width(columns: Sequence[Column], formatted: Mapping[str, Sequence[str]]) -> int:
    limits = [UNLIMITED_WIDTH if column.number else _MIN_TEXT_WIDTH for column in columns]
    widest = [_widest(column, formatted) for column in columns]
    return sum(map(min, widest, limits)) + _GAP * (len(columns) - 1)


def _widest(column: Column, formatted: Mapping[str, Sequence[str]]) -> int:
    return max(map(len, [*column.title.split("\n"), *formatted[column.key]]))
