"""What the tables of the commands look like: which columns, how each value reads, what stands out."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from runfolio.cli.output import formatting
from runfolio.cli.output.output import Column, Format, Table

if TYPE_CHECKING:
    from runfolio.query.selection.seed_groups import SeedGroups
    from runfolio.query.tables.comparison import Comparison, MetricRow
    from runfolio.query.tables.leaderboard import Leaderboard, Row
    from runfolio.query.tables.runs_table import Table as RunsTable

_STATE_STYLES = {"running": "cyan", "failed": "red", "crashed": "red", "interrupted": "yellow", "preempted": "yellow"}
_SPARE_FACTS = ("experiment", "duration_s", "created", "tags")
"""What a narrow terminal does without, last first; then go all but the first of the results."""
_COMPARED_AT_MOST = 20

COSTS: Mapping[str, Column] = {
    "parameters": Column(key="parameters", title="params", show=formatting.each(formatting.count), number=True),
    "size_mb": Column(key="size_mb", title="MB", show=formatting.each(formatting.significant), number=True, spare=True),
    "predict_ms": Column(
        key="predict_ms", title="ms an\nimage", show=formatting.each(formatting.significant), number=True
    ),
}
"""What a model costs to use, by the name its run reports it under."""


def state_style(state: Any) -> str | None:
    return _STATE_STYLES.get(state)


def runs_table(table: RunsTable, *, all_needed: bool) -> Table:
    """Runs as rows. `all_needed`: the user chose the columns, so none is left out for lack of room."""
    names = list(table.columns)
    rows = [dict(zip(names, row, strict=True)) for row in table.rows]
    if not all_needed and len({row["experiment"] for row in rows}) == 1:
        names.remove("experiment")
    results = [name for name in names if name.startswith(("summary.", "metrics."))]
    spare = () if all_needed else (*_SPARE_FACTS, *results[1:])
    columns = [_runs_column(name, [row[name] for row in rows], spare=name in spare) for name in names]
    return Table(columns=columns, rows=rows)


def _runs_column(name: str, values: Sequence[Any], *, spare: bool) -> Column:
    kind, dot, rest = name.partition(".")
    title = rest if dot and kind in ("params", "summary", "metrics") else name
    measured = kind in ("summary", "metrics")
    if name == "created":
        return Column(key=name, title="started", show=formatting.each(formatting.age), spare=spare)
    if name == "duration_s":
        return Column(key=name, title="took", show=formatting.each(formatting.duration), number=True, spare=spare)
    if name == "state":
        return Column(key=name, title=name, show=formatting.each(str), style=state_style)
    if kind == "data" and dot:
        return Column(key=name, title=name, show=formatting.each(formatting.fingerprint))
    if name == "ended":
        return Column(key=name, title=name, show=formatting.each(formatting.moment))
    return Column(
        key=name,
        title=title,
        show=formatting.aligned if measured else formatting.each(formatting.value),
        number=any(formatting.is_number(value) for value in values),
        spare=spare,
    )


def leaderboard_table(board: Leaderboard) -> Table:
    """The runs of a series, best first.

    `=` marks those that what chose cannot tell from the best, others (`same_data.MARKS`) those measured on other data.
    """
    marks = ["=" * row.tied + row.data.mark for row in board.rows]
    of_test = [row.test_data.mark for row in board.rows]
    looks: Mapping[str, Column] = {
        "label": Column(key="label", title="run", show=formatting.each(str)),
        "value": Column(key="value", title=board.metric, show=lambda values: marked(brief(values), marks), number=True),
        "test": Column(key="test", title="test/acc", show=lambda values: marked(brief(values), of_test), number=True),
        "interval": Column(key="interval", title="95 %\ninterval", show=formatting.each(str), number=True),
        "test_interval": Column(key="test_interval", title="95 %\ninterval", show=formatting.each(str), number=True),
        "epoch_seconds": Column(
            key="epoch_seconds", title="s an\nepoch", show=formatting.each(formatting.significant), number=True
        ),
        **COSTS,
        "state": Column(key="state", title="state", show=formatting.each(str), style=state_style),
        "reason": Column(key="reason", title="reason", show=formatting.each(str)),
    }
    names = list(board.columns)
    of_each = [
        {"interval": interval(row.low, row.high), "test_interval": interval(row.test_low, row.test_high)}
        for row in board.rows
    ]
    for figure, beside in (("value", "interval"), ("test", "test_interval")):
        if any(each[beside] for each in of_each):
            names.insert(names.index(figure) + 1, beside)
    if all(row.state == "finished" for row in board.rows):
        names.remove("state")
    elif any(row.reason for row in board.rows):
        names.append("reason")
    rows = [
        {**{name: getattr(row, name, None) for name in names}, **each}
        for row, each in zip(board.rows, of_each, strict=True)
    ]
    best = 0 if winner_of(board) else None
    return Table(columns=[looks[name] for name in names], rows=rows, best=best)


def repeats_table(found: SeedGroups, output: Format) -> Table:
    """What runs of several seeds came to; for people `=` marks means that cannot be told from the first group's."""
    rows = [asdict(row) for row in found.rows]
    if output != "table":
        return Table(columns=[Column(key=key, title=key, show=formatting.each(str)) for key in rows[0]], rows=rows)
    tied = ["=" * row.tied for row in found.rows]
    columns = [
        Column(key="group", title="runs with", show=_once),
        Column(key="metric", title="metric", show=formatting.each(str)),
        Column(key="runs", title="runs", show=formatting.each(formatting.count), number=True),
        Column(key="mean", title="mean", show=lambda values: marked(formatting.aligned(values), tied), number=True),
        Column(key="std", title="std", show=formatting.aligned, number=True),
        Column(key="interval", title="95 % interval\nof the mean", show=formatting.each(str), number=True),
        Column(key="lowest", title="lowest", show=formatting.aligned, number=True, spare=True),
        Column(key="highest", title="highest", show=formatting.aligned, number=True, spare=True),
    ]
    several = len({row.group for row in found.rows}) > 1
    return Table(
        columns=columns if several else columns[1:],
        rows=[{**row, "interval": _range(row["low"], row["high"])} for row in rows],
    )


def _once(values: Sequence[Any]) -> list[str]:
    """Each value where it first stands in a column, and nothing where it goes on."""
    return ["" if value == before else str(value) for before, value in itertools.pairwise([None, *values])]


def _range(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{low:.4f} to {high:.4f}"


def _in_short(fingerprints: Mapping[str, str]) -> dict[str, str]:
    return {run: formatting.fingerprint(found) for run, found in fingerprints.items()}


def winner_of(board: Leaderboard) -> Row | None:
    """The best run, if any run was finished and has the metric."""
    first = board.rows[0]
    return first if first.state == "finished" and first.value is not None else None


def brief(values: Sequence[Any]) -> list[str]:
    """Measured numbers in three digits."""
    return formatting.aligned(values, digits=3)


def marked(values: Sequence[str], marks: Sequence[str]) -> list[str]:
    """Values with their marks beside them; `=` where they cannot be told from the best."""
    if not any(marks):
        return list(values)
    width = max(map(len, marks))
    return [f"{value} {mark:<{width}}" for value, mark in zip(values, marks, strict=True)]


def interval(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{low:.3f}-{high:.3f}"


def comparison_table(comparison: Comparison, metrics: Sequence[MetricRow]) -> Table:
    """Rows for the settings and results in which the runs differ, and for the last and best value of `metrics`."""
    rows: list[dict[str, Any]] = [
        *({"what": "setting", "name": row.key, **row.values} for row in comparison.config),
        *({"what": "data", "name": row.key, **_in_short(row.values)} for row in comparison.data),
        *({"what": "result", "name": row.key, **row.values} for row in comparison.summary),
        *({"what": "last", "name": row.metric, **row.last} for row in metrics),
        *({"what": "best", "name": row.metric, **row.best} for row in metrics if row.best),
    ]
    columns = [
        Column(key="what", title="", show=formatting.each(str)),
        Column(key="name", title="", show=formatting.each(str)),
        *(Column(key=run, title=_folded(run), show=formatting.each(_compared), number=True) for run in comparison.runs),
    ]
    return Table(columns=columns, rows=rows)


def _folded(label: str) -> str:
    """A run's name above a column, its settings below one another: the names of what differs need the room."""
    return textwrap.fill(label, _COMPARED_AT_MOST, break_long_words=False, break_on_hyphens=False)


def _compared(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    text = formatting.value(value)
    # Of a path the end tells most, and the names of what differs need the room.
    return text if len(text) <= _COMPARED_AT_MOST else f"…{text[1 - _COMPARED_AT_MOST :]}"


def predictions_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Predictions of images; green where right, red where wrong, plain where the truth is not known."""
    right = {None: "", True: "right", False: "wrong"}
    columns = [
        Column(key="image", title="image", show=formatting.each(str)),
        Column(key="class", title="class", show=formatting.each(str)),
        Column(key="probability", title="probability", show=formatting.each(formatting.probability), number=True),
        Column(key="ms", title="ms", show=formatting.each(formatting.significant), number=True),
    ]
    if any(row["truth"] is not None for row in rows):
        columns += [
            Column(key="truth", title="truth", show=formatting.each(str)),
            Column(
                key="right",
                title="",
                show=lambda values: [right[value] for value in values],
                style=lambda value: {True: "green", False: "bold red"}.get(value),
            ),
        ]
    return Table(columns=columns, rows=rows)


def results_table(results: Mapping[str, Any]) -> Table:
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
        Column(key="images", title="", show=formatting.each(str)),
        Column(key="loss", title="loss", show=formatting.aligned, number=True),
        Column(key="acc", title="accuracy", show=formatting.aligned, number=True),
        Column(key="count", title="images", show=formatting.each(formatting.count), number=True),
    ]
    return Table(columns=columns, rows=rows)
