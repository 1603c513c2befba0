"""Tables that the commands print: columns, value formats, and highlighted rows."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from runfolio.cli.output import formatting
from runfolio.cli.output.display_table import Column, DisplayTable, OutputFormat
from runfolio.record.base.visible_text import visible_line

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun
    from runfolio.query.selection.columns import RunsColumn
    from runfolio.query.selection.seed_groups import SeedGroups
    from runfolio.query.tables.comparison import Comparison
    from runfolio.query.tables.leaderboard import Leaderboard, Row
    from runfolio.query.tables.runs_table import Table as RunsTable

_STATE_STYLES = {"running": "cyan", "failed": "red", "crashed": "red", "interrupted": "yellow", "preempted": "yellow"}
_OPTIONAL_FACTS = ("tags", "experiment", "duration_s", "created")
"""Columns that are omitted first on a narrow terminal, starting with the last column in this tuple.

All results except the first are omitted next, and settings last.
"""
_OPTIONAL_SETTING, _OPTIONAL_RESULT, _OPTIONAL_FACT = 1, 10, 100
_MAX_COMPARED_WIDTH = 20
_HEADING_WIDTH = 15

COSTS: Mapping[str, Column] = {
    "parameters": Column(
        key="parameters", title="params", formatter=formatting.elementwise(formatting.count), number=True, optional=3
    ),
    "size_mb": Column(
        key="size_mb",
        title="MB",
        formatter=formatting.aligned_numbers,
        number=True,
        optional=4,
    ),
    "predict_ms": Column(
        key="predict_ms",
        title="ms per\nimage",
        formatter=formatting.aligned_numbers,
        number=True,
        optional=2,
    ),
}
"""Columns that show the cost of using a model, keyed by the name of the result."""


def state_style(state: Any) -> str | None:
    return _STATE_STYLES.get(state)


def runs_table(table: RunsTable, *, all_needed: bool) -> DisplayTable:
    """Return a table with one row per run. If `all_needed` is True, no column is omitted, because the user chose the
    columns."""
    rows = [dict(zip(table.names, row, strict=True)) for row in table.rows]
    shown = list(table.columns)
    if not all_needed and len({row["experiment"] for row in rows}) == 1:
        shown = [column for column in shown if column.full_name != "experiment"]
    results = [column for column in shown if column.is_measured]
    columns = [
        _runs_column(
            column,
            [row[column.full_name] for row in rows],
            optional=0 if all_needed else _dispensability(column, results),
        )
        for column in shown
    ]
    return DisplayTable(columns=columns, rows=rows, in_blocks=all_needed)


def _dispensability(column: RunsColumn, results: Sequence[RunsColumn]) -> int:
    if column.full_name in _OPTIONAL_FACTS:
        return _OPTIONAL_FACT + _OPTIONAL_FACTS.index(column.full_name)
    if column in results:
        place = results.index(column)
        return _OPTIONAL_RESULT + place if place else 0
    return _OPTIONAL_SETTING if column.kind == "params" else 0


def _runs_column(column: RunsColumn, values: Sequence[Any], *, optional: int) -> Column:
    name = column.full_name
    titles = {"created": "started", "duration_s": "took"}
    formatters: Mapping[str, Callable[[Any], str]] = {
        "created": formatting.age,
        "duration_s": formatting.duration,
        "state": str,
        "ended": formatting.timestamp,
    }
    setting = _compared_value if optional else formatting.setting_value
    formatter = formatting.elementwise(formatters.get(name, setting))
    if column.kind == "data":
        formatter = formatting.elementwise(formatting.fingerprint)
    return Column(
        key=name,
        title=titles.get(name, measured_heading(column.heading)),
        formatter=formatting.aligned_numbers if column.is_measured else formatter,
        number=any(formatting.is_number(value) for value in values),
        optional=optional,
        style=state_style if name == "state" else lambda value: None,
    )


def measured_heading(heading: str) -> str:
    """Return the title of a column, which is wrapped to keep the column narrow."""
    return textwrap.fill(visible_line(heading), _HEADING_WIDTH, break_long_words=False, break_on_hyphens=False)


def leaderboard_table(board: Leaderboard) -> DisplayTable:
    """Return the table of a leaderboard, best run first.

    `=` marks runs that do not differ significantly from the best run. Other marks (see `data_match.MARKS`) mean that a
    run used different data.
    """
    marks = ["=" * row.tied + row.data.mark for row in board.rows]
    test_marks = [row.test_data.mark for row in board.rows]
    columns: Mapping[str, Column] = {
        "label": Column(key="label", title="run", formatter=formatting.elementwise(str)),
        "value": Column(
            key="value",
            title=measured_heading(board.heading),
            formatter=lambda values: with_marks(three_digits(values), marks),
            number=True,
        ),
        "test": Column(
            key="test",
            title="test/acc",
            formatter=lambda values: with_marks(three_digits(values), test_marks),
            number=True,
        ),
        "interval": Column(key="interval", title="95 %\ninterval", formatter=formatting.elementwise(str), number=True),
        "test_interval": Column(
            key="test_interval", title="95 %\ninterval", formatter=formatting.elementwise(str), number=True
        ),
        "epoch_seconds": Column(
            key="epoch_seconds",
            title="s per\nepoch",
            formatter=formatting.aligned_numbers,
            number=True,
            optional=1,
        ),
        **COSTS,
        "state": Column(key="state", title="state", formatter=formatting.elementwise(str), style=state_style),
        "reason": Column(key="reason", title="reason", formatter=formatting.elementwise(str)),
    }
    names = list(board.columns)
    intervals = [
        {"interval": interval_text(row.low, row.high), "test_interval": interval_text(row.test_low, row.test_high)}
        for row in board.rows
    ]
    for column_key, interval_key in (("value", "interval"), ("test", "test_interval")):
        if any(texts[interval_key] for texts in intervals):
            names.insert(names.index(column_key) + 1, interval_key)
    if all(row.state == "finished" for row in board.rows):
        names.remove("state")
    elif any(row.reason for row in board.rows):
        names.append("reason")
    rows = [
        {**{name: getattr(row, name, None) for name in names}, **texts}
        for row, texts in zip(board.rows, intervals, strict=True)
    ]
    best = 0 if best_finished_row(board) else None
    return DisplayTable(columns=[columns[name] for name in names], rows=rows, best=best)


def seed_groups_table(groups: SeedGroups, output: OutputFormat) -> DisplayTable:
    """Return a table with one row per group of runs and metric.

    In the printed table, the mark `=` is put after each mean that does not differ significantly from the mean of the
    first group.
    """
    rows = [asdict(row) for row in groups.rows]
    if output != "table":
        return DisplayTable(
            columns=[Column(key=key, title=key, formatter=formatting.elementwise(str)) for key in rows[0]], rows=rows
        )
    tied = ["=" * row.tied for row in groups.rows]
    # If all rows show the same kind of value, only the title names it. The labels then have more space.
    kinds = {row.figure for row in groups.rows}
    shared = next(iter(kinds)) if len(kinds) == 1 and kinds != {"best"} else ""
    columns = [
        Column(key="group", title="runs with", formatter=_without_repeats, wraps=True),
        Column(
            key="measured",
            title=measured_heading(f"metric {shared}".rstrip()),
            formatter=formatting.elementwise(str),
            wraps=True,
        ),
        Column(key="runs", title="runs", formatter=formatting.elementwise(formatting.count), number=True),
        Column(
            key="mean",
            title="mean",
            formatter=lambda values: with_marks(formatting.aligned_numbers(values), tied),
            number=True,
        ),
        Column(key="std", title="std", formatter=formatting.aligned_numbers, number=True),
        Column(key="interval", title="95 % interval\nof the mean", formatter=formatting.elementwise(str), number=True),
        Column(key="lowest", title="lowest", formatter=formatting.aligned_numbers, number=True, optional=1),
        Column(key="highest", title="highest", formatter=formatting.aligned_numbers, number=True, optional=1),
    ]
    several = len({row.group for row in groups.rows}) > 1
    return DisplayTable(
        columns=columns if several else columns[1:],
        rows=[
            {
                **asdict(row),
                "measured": row.metric if shared else row.heading,
                "interval": _range(row.low, row.high),
            }
            for row in groups.rows
        ],
    )


def _without_repeats(values: Sequence[Any]) -> list[str]:
    """Return the values as strings. A value that equals the value above it becomes an empty string."""
    return ["" if value == before else str(value) for before, value in itertools.pairwise([None, *values])]


def _range(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{low:.4f} to {high:.4f}"


def _short_fingerprints(fingerprints: Mapping[str, str]) -> dict[str, str]:
    return {run: formatting.fingerprint(fingerprint) for run, fingerprint in fingerprints.items()}


def best_finished_row(board: Leaderboard) -> Row | None:
    """Return the first row of a leaderboard, or None if that run has not finished or lacks the metric."""
    first = board.rows[0]
    return first if first.state == "finished" and first.value is not None else None


def three_digits(values: Sequence[Any]) -> list[str]:
    """Format measured numbers with three significant digits."""
    return formatting.aligned_numbers(values, digits=3)


def with_marks(values: Sequence[str], marks: Sequence[str]) -> list[str]:
    """Append a mark to each value. `=` means that the value does not differ significantly from the best value."""
    if not any(marks):
        return list(values)
    width = max(map(len, marks))
    return [f"{value} {mark:<{width}}" for value, mark in zip(values, marks, strict=True)]


def interval_text(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{low:.3f}-{high:.3f}"


def comparison_table(runs: Sequence[RecordedRun], columns: Sequence[RunsColumn]) -> DisplayTable:
    """Return a table with one row per run. The columns are the differing settings and the results."""
    from runfolio.query.tables.run_labels import name_labels

    rows = [
        {"run": label, **{column.full_name: column.value(run) for column in columns}}
        for label, run in zip(name_labels(runs), runs, strict=True)
    ]
    return DisplayTable(
        columns=[
            Column(key="run", title="run", formatter=formatting.elementwise(str)),
            *(
                Column(
                    key=column.full_name,
                    title=measured_heading(column.heading),
                    formatter=formatting.aligned_numbers
                    if column.is_measured
                    else formatting.elementwise(formatting.fingerprint)
                    if column.kind == "data"
                    else formatting.elementwise(_compared_value),
                    number=True,
                )
                for column in columns
            ),
        ],
        rows=rows,
        in_blocks=True,
    )


def comparison_data(comparison: Comparison) -> DisplayTable:
    """Return a table for other programs. It contains the settings, data and results that differ, and the last and best
    values of each metric.

    If the runs answered the same items, the table also contains the accuracy of each run and the p value of McNemar's
    test.
    """
    rows: list[dict[str, Any]] = [
        *({"what": "setting", "name": row.key, **row.values} for row in comparison.config),
        *({"what": "data", "name": row.key, **_short_fingerprints(row.values)} for row in comparison.data),
        *({"what": "result", "name": row.key, **row.values} for row in comparison.summary),
        *({"what": "last", "name": row.metric, **row.last} for row in comparison.metrics),
        *({"what": "best", "name": row.metric, **row.best} for row in comparison.metrics if row.best),
        *(
            {"what": what, "name": result.split, **dict(zip(comparison.runs, values, strict=True))}
            for result in comparison.answers
            for what, values in (("answers right", result.accuracies), ("p against best", result.ps))
        ),
    ]
    keys = ("what", "name", *comparison.runs)
    return DisplayTable(
        columns=[Column(key=key, title=key, formatter=formatting.elementwise(str)) for key in keys], rows=rows
    )


def _compared_value(value: Any) -> str:
    text = formatting.setting_value(value)
    # The end of a path is its most informative part, and the other columns need space.
    return text if len(text) <= _MAX_COMPARED_WIDTH else f"…{text[1 - _MAX_COMPARED_WIDTH :]}"


def predictions_table(rows: Sequence[Mapping[str, Any]]) -> DisplayTable:
    """Return a table of predictions. If the true class is known, right predictions are green and wrong ones are red."""
    right = {None: "", True: "right", False: "wrong"}
    columns = [
        Column(key="image", title="image", formatter=formatting.elementwise(str)),
        Column(key="class", title="class", formatter=formatting.elementwise(str)),
        Column(
            key="probability",
            title="probability",
            formatter=formatting.elementwise(formatting.probability),
            number=True,
        ),
        Column(key="top", title="then", formatter=formatting.elementwise(_runners_up)),
        Column(key="ms", title="ms", formatter=formatting.aligned_numbers, number=True),
    ]
    if any(row["truth"] is not None for row in rows):
        columns += [
            Column(key="truth", title="truth", formatter=formatting.elementwise(str)),
            Column(
                key="right",
                title="",
                formatter=lambda values: [right[value] for value in values],
                style=lambda value: {True: "green", False: "bold red"}.get(value),
            ),
        ]
    return DisplayTable(columns=columns, rows=rows)


def _runners_up(top: Mapping[str, float]) -> str:
    """Return the classes that follow the most probable class, such as `steak 30.1 %, pizza 9.0 %`."""
    return ", ".join(f"{name} {formatting.probability(share)}" for name, share in list(top.items())[1:])


def results_table(results: Mapping[str, Any]) -> DisplayTable:
    """Return a table with the loss and accuracy of the best epoch on training, validation and test images."""
    rows = [
        {
            "images": split,
            "loss": results[f"{split}/loss"],
            "acc": results[f"{split}/acc"],
            "count": results[f"{split}/images"],
        }
        for split in ("train", "val", "test")
        if f"{split}/acc" in results
    ]
    columns = [
        Column(key="images", title="", formatter=formatting.elementwise(str)),
        Column(key="loss", title="loss", formatter=formatting.aligned_numbers, number=True),
        Column(key="acc", title="accuracy", formatter=formatting.aligned_numbers, number=True),
        Column(key="count", title="images", formatter=formatting.elementwise(formatting.count), number=True),
    ]
    return DisplayTable(columns=columns, rows=rows)
