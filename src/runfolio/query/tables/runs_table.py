"""Runs as rows: which columns there are, what stands in them, and in which order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from runfolio.errors import NotFound, did_you_mean
from runfolio.query.run import RecordedRun, pandas
from runfolio.query.selection.ranking import numbers_of
from runfolio.record.points.metric_summary import listed_metrics

if TYPE_CHECKING:
    import pandas as pd

_ABOUT: dict[str, Callable[[RecordedRun], Any]] = {
    "id": lambda run: run.id,
    "name": lambda run: run.name,
    "experiment": lambda run: run.experiment,
    "state": lambda run: run.state,
    "created": lambda run: run.created,
    "duration_s": lambda run: run.duration_s,
}
_MORE_ABOUT: dict[str, Callable[[RecordedRun], Any]] = {
    "ended": lambda run: run.ended,
    "reason": lambda run: run.reason,
    "tags": lambda run: ", ".join(run.tags) or None,
    "notes": lambda run: run.notes,
    "archived": lambda run: run.archived,
    "series": lambda run: (run.series or {}).get("name"),
    "lineage": lambda run: _origin(run.lineage),
    "host": lambda run: run.environment.get("host"),
    "device": lambda run: run.environment.get("device"),
    "commit": lambda run: run.code.get("commit"),
    "folder": lambda run: run.place,
}


def _origin(lineage: dict[str, Any] | None) -> str | None:
    """`fork of net (k3f9x2ab)`."""
    return None if lineage is None else f"{lineage.get('kind')} of {lineage.get('name')} ({lineage.get('run')})"


_FIRST_METRICS = ("val/acc", "test/acc", "val/loss", "train/acc", "train/loss")
_SHOWN_METRICS = 3


@dataclass(frozen=True)
class Table:
    """Rows of plain values, a row a run and a value a column; None where a run has none."""

    columns: list[str]
    rows: list[list[Any]]


def table(
    runs: Sequence[RecordedRun],
    columns: Sequence[str] | None = None,
    sort: str | None = None,
    *,
    reverse: bool = False,
) -> Table:
    """The runs as a table.

    Args:
        columns: `id`, `name`, `experiment`, `state`, `created`, `duration_s`, `ended`, `reason`, `tags`, `notes`,
            `archived`, `series`, `lineage`, `host`, `device`, `commit`, `folder`, `data.val` (its fingerprint), or
            `params.lr`, `metrics.val/acc` (its last value), `summary.test/acc`; the last three also without their
            first word, sought in summary, metrics and params.
            None: who, when and how long, and up to three results most runs have; of a run that has not reported
            one of them yet, the last value of its curve.
        sort: A column in ascending order, with `-` before it in descending; rows without a value come last.
            None keeps the order of `runs`.
        reverse: Turns the order round; rows without a value still come last.
    Raises:
        NotFound: No run has such a column; the message names the nearest.
    """
    known = every_column(runs)
    chosen = [full_name(column, known) for column in columns] if columns is not None else _usual(runs)
    ordered = list(runs)
    if sort is not None:
        column = full_name(sort.removeprefix("-"), known)
        ordered = _sorted(ordered, column, descending=sort.startswith("-") != reverse)
    elif reverse:
        ordered.reverse()
    show = cell if columns is not None else _so_far
    return Table(chosen, [[show(run, column) for column in chosen] for run in ordered])


def frame(runs: Sequence[RecordedRun]) -> pd.DataFrame:
    """One row a run with every column it could have (see `Runs.to_pandas`)."""
    pd = pandas()
    columns = [column for column in every_column(runs) if column not in _MORE_ABOUT]
    return pd.DataFrame([[cell(run, column) for column in columns] for run in runs], columns=columns)


def every_column(runs: Iterable[RecordedRun]) -> list[str]:
    """All columns the runs could fill, in the order of a wide table."""
    found: dict[str, dict[str, None]] = {"params": {}, "metrics": {}, "summary": {}}
    for run in runs:
        for kind, names in (("params", run.params), ("metrics", run.metrics), ("summary", run.results)):
            found[kind].update(dict.fromkeys(names))
    values = [f"{kind}.{name}" for kind, names in found.items() for name in names]
    data = dict.fromkeys(f"data.{name}" for run in runs for name in run.data)
    return [*_ABOUT, *_MORE_ABOUT, *data, *values]


def full_name(column: str, known: Sequence[str]) -> str:
    """The column a user means, written in full.

    Raises:
        NotFound: There is none of that name.
    """
    spellings = (column, f"summary.{column}", f"metrics.{column}", f"params.{column}")
    spellings += tuple(spelling.replace("-", "_") for spelling in spellings[::3])  # as flags and YAML spell a setting
    for spelling in spellings:
        if spelling in known:
            return spelling
    raise NotFound(f"no column {column!r}; {did_you_mean(column, {name.partition('.')[2] or name for name in known})}")


def cell(run: RecordedRun, column: str) -> Any:
    """One value of the table; None where the run has none."""
    if about := _ABOUT.get(column) or _MORE_ABOUT.get(column):
        return about(run)
    kind, _, name = column.partition(".")
    if kind == "data":
        return run.data[name].fingerprint if name in run.data else None
    if kind == "metrics":
        return run.metrics[name].last if name in run.metrics else None
    return (run.params if kind == "params" else run.results).get(name)


def _so_far(run: RecordedRun, column: str) -> Any:
    """The value, or where a run has not reported it yet, the last of its curve: a run at work is worth watching."""
    value = cell(run, column)
    return cell(run, column.replace("summary.", "metrics.", 1)) if value is None else value


def _usual(runs: Sequence[RecordedRun]) -> list[str]:
    tags = ["tags"] if any(run.tags for run in runs) else []
    return [*_ABOUT, *tags, *_usual_results(runs)]


def _usual_results(runs: Sequence[RecordedRun]) -> list[str]:
    """The results that most runs have, the familiar names first; as reported where any run reports them."""
    counts: Counter[str] = Counter()
    reported: set[str] = set()
    for run in runs:
        numbers = numbers_of(run)
        reported.update(numbers)
        counts.update({*numbers, *listed_metrics(run.metrics)})

    def importance(name: str) -> tuple[int, int, str]:
        familiar = _FIRST_METRICS.index(name) if name in _FIRST_METRICS else len(_FIRST_METRICS)
        return familiar, -counts[name], name

    shown = sorted(counts, key=importance)[:_SHOWN_METRICS]
    return [f"summary.{name}" if name in reported else f"metrics.{name}" for name in shown]


def _sorted(runs: list[RecordedRun], column: str, *, descending: bool) -> list[RecordedRun]:
    values = {run.place: cell(run, column) for run in runs}
    there = [run for run in runs if not _is_missing(values[run.place])]
    missing = [run for run in runs if _is_missing(values[run.place])]
    return sorted(there, key=lambda run: _order(values[run.place]), reverse=descending) + missing


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _order(value: Any) -> tuple[int, Any]:
    """Numbers before times before texts, since one parameter may be a number here and a text there."""
    if isinstance(value, (int, float)):
        return 0, value
    if isinstance(value, datetime):
        return 1, value.timestamp()
    return 2, str(value)
