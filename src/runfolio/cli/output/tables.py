"""Tables that the commands print: their columns, the format of the values, and the highlighted rows."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from runfolio.cli.output import formatting
from runfolio.cli.output.display_table import Column, DisplayTable, OutputFormat

if TYPE_CHECKING:
    from runfolio.query.selection.seed_groups import SeedGroups
    from runfolio.query.tables.comparison import Comparison, MetricRow
    from runfolio.query.tables.leaderboard import Leaderboard, Row
    from runfolio.query.tables.runs_table import Table as RunsTable

_STATE_STYLES = {"running": "cyan", "failed": "red", "crashed": "red", "interrupted": "yellow", "preempted": "yellow"}
_OPTIONAL_FACTS = ("experiment", "duration_s", "created", "tags")
"""Columns that a narrow terminal drops, the last one first; then all results but the first are dropped."""
_MAX_COMPARED_WIDTH = 20

COSTS: Mapping[str, Column] = {
    "parameters": Column(
        key="parameters", title="params", formatter=formatting.elementwise(formatting.count), number=True
    ),
    "size_mb": Column(
        key="size_mb",
        title="MB",
        formatter=formatting.elementwise(formatting.significant_digits),
        number=True,
        optional=True,
    ),
    "predict_ms": Column(
        key="predict_ms",
        title="ms an\nimage",
        formatter=formatting.elementwise(formatting.significant_digits),
        number=True,
    ),
}
"""Columns for the cost of using a model, by the name of the result."""


def state_style(state: Any) -> str | None:
    return _STATE_STYLES.get(state)


def runs_table(table: RunsTable, *, all_needed: bool) -> DisplayTable:
    """Runs as rows. `all_needed`: the user chose the columns, so none is left out for lack of room."""
    names = list(table.columns)
    rows = [dict(zip(names, row, strict=True)) for row in table.rows]
    if not all_needed and len({row["experiment"] for row in rows}) == 1:
        names.remove("experiment")
    results = [name for name in names if name.startswith(("summary.", "metrics."))]
    optional = () if all_needed else (*_OPTIONAL_FACTS, *results[1:])
    columns = [_runs_column(name, [row[name] for row in rows], optional=name in optional) for name in names]
    return DisplayTable(columns=columns, rows=rows)


def _runs_column(name: str, values: Sequence[Any], *, optional: bool) -> Column:
    kind, dot, short_name = name.partition(".")
    title = short_name if dot and kind in ("params", "summary", "metrics") else name
    measured = kind in ("summary", "metrics")
    if name == "created":
        return Column(key=name, title="started", formatter=formatting.elementwise(formatting.age), optional=optional)
    if name == "duration_s":
        return Column(
            key=name,
            title="took",
            formatter=formatting.elementwise(formatting.duration),
            number=True,
            optional=optional,
        )
    if name == "state":
        return Column(key=name, title=name, formatter=formatting.elementwise(str), style=state_style)
    if kind == "data" and dot:
        return Column(key=name, title=name, formatter=formatting.elementwise(formatting.fingerprint))
    if name == "ended":
        return Column(key=name, title=name, formatter=formatting.elementwise(formatting.timestamp))
    return Column(
        key=name,
        title=title,
        formatter=formatting.aligned_numbers if measured else formatting.elementwise(formatting.setting_value),
        number=any(formatting.is_number(value) for value in values),
        optional=optional,
    )


def leaderboard_table(board: Leaderboard) -> DisplayTable:
    """The runs of a series, best first.

    `=` marks those that what chose cannot tell from the best, others (`data_match.MARKS`) those measured on other data.
    """
    marks = ["=" * row.tied + row.data.mark for row in board.rows]
    test_marks = [row.test_data.mark for row in board.rows]
    columns: Mapping[str, Column] = {
        "label": Column(key="label", title="run", formatter=formatting.elementwise(str)),
        "value": Column(
            key="value",
            title=board.metric,
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
            title="s an\nepoch",
            formatter=formatting.elementwise(formatting.significant_digits),
            number=True,
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
    """Return one row per group of seeds; for people `=` marks means indistinguishable from the first group's."""
    rows = [asdict(row) for row in groups.rows]
    if output != "table":
        return DisplayTable(
            columns=[Column(key=key, title=key, formatter=formatting.elementwise(str)) for key in rows[0]], rows=rows
        )
    tied = ["=" * row.tied for row in groups.rows]
    columns = [
        Column(key="group", title="runs with", formatter=_without_repeats),
        Column(key="metric", title="metric", formatter=formatting.elementwise(str)),
        Column(key="runs", title="runs", formatter=formatting.elementwise(formatting.count), number=True),
        Column(
            key="mean",
            title="mean",
            formatter=lambda values: with_marks(formatting.aligned_numbers(values), tied),
            number=True,
        ),
        Column(key="std", title="std", formatter=formatting.aligned_numbers, number=True),
        Column(key="interval", title="95 % interval\nof the mean", formatter=formatting.elementwise(str), number=True),
        Column(key="lowest", title="lowest", formatter=formatting.aligned_numbers, number=True, optional=True),
        Column(key="highest", title="highest", formatter=formatting.aligned_numbers, number=True, optional=True),
    ]
    several = len({row.group for row in groups.rows}) > 1
    return DisplayTable(
        columns=columns if several else columns[1:],
        rows=[{**row, "interval": _range(row["low"], row["high"])} for row in rows],
    )


def _without_repeats(values: Sequence[Any]) -> list[str]:
    """Blank out every value that repeats the one above it."""
    return ["" if value == before else str(value) for before, value in itertools.pairwise([None, *values])]


def _range(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{low:.4f} to {high:.4f}"


def _short_fingerprints(fingerprints: Mapping[str, str]) -> dict[str, str]:
    return {run: formatting.fingerprint(fingerprint) for run, fingerprint in fingerprints.items()}


def best_finished_row(board: Leaderboard) -> Row | None:
    """The best run, if any run was finished and has the metric."""
    first = board.rows[0]
    return first if first.state == "finished" and first.value is not None else None


def three_digits(values: Sequence[Any]) -> list[str]:
    """Measured numbers in three digits."""
    return formatting.aligned_numbers(values, digits=3)


def with_marks(values: Sequence[str], marks: Sequence[str]) -> list[str]:
    """Values with their marks beside them; `=` where they cannot be told from the best."""
    if not any(marks):
        return list(values)
    width = max(map(len, marks))
    return [f"{value} {mark:<{width}}" for value, mark in zip(values, marks, strict=True)]


def interval_text(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{low:.3f}-{high:.3f}"


def comparison_table(comparison: Comparison, metrics: Sequence[MetricRow]) -> DisplayTable:
    """Rows for the settings and results in which the runs differ, and for the last and best value of `metrics`."""
    rows: list[dict[str, Any]] = [
        *({"what": "setting", "name": row.key, **row.values} for row in comparison.config),
        *({"what": "data", "name": row.key, **_short_fingerprints(row.values)} for row in comparison.data),
        *({"what": "result", "name": row.key, **row.values} for row in comparison.summary),
        *({"what": "last", "name": row.metric, **row.last} for row in metrics),
        *({"what": "best", "name": row.metric, **row.best} for row in metrics if row.best),
    ]
    columns = [
        Column(key="what", title="", formatter=formatting.elementwise(str)),
        Column(key="name", title="", formatter=formatting.elementwise(str)),
        *(
            Column(key=run, title=_wrapped_label(run), formatter=formatting.elementwise(_compared_value), number=True)
            for run in comparison.runs
        ),
    ]
    return DisplayTable(columns=columns, rows=rows)


def _wrapped_label(label: str) -> str:
    """A run's name above a column, its settings below one another: the names of what differs need the room."""
    return textwrap.fill(label, _MAX_COMPARED_WIDTH, break_long_words=False, break_on_hyphens=False)


def _compared_value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    text = formatting.setting_value(value)
    # Of a path the end tells most, and the names of what differs need the room.
    return text if len(text) <= _MAX_COMPARED_WIDTH else f"…{text[1 - _MAX_COMPARED_WIDTH :]}"


def predictions_table(rows: Sequence[Mapping[str, Any]]) -> DisplayTable:
    """Predictions of images; green where right, red where wrong, plain where the truth is not known."""
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
        Column(key="ms", title="ms", formatter=formatting.elementwise(formatting.significant_digits), number=True),
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
    """Return the most probable classes after the first, such as `steak 30.1 %, pizza 9.0 %`."""
    return ", ".join(f"{name} {formatting.probability(share)}" for name, share in list(top.items())[1:])


def results_table(results: Mapping[str, Any]) -> DisplayTable:
    """Loss and accuracy of the best epoch on train, validation and test images."""
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
