"""Runs as rows: which columns there are, what stands in them, and in which order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runfolio.query.frames.columns import FACTS, cell, every_column, full_name
from runfolio.query.run_view import RunView
from runfolio.query.selection.ranking import numbers_of
from runfolio.record.points.metric_summary import listed_metrics

_FIRST_METRICS = ("val/acc", "test/acc", "val/loss", "train/acc", "train/loss")
_SHOWN_METRICS = 3


@dataclass(frozen=True)
class Table:
    """Rows of plain values, a row a run and a value a column; None where a run has none."""

    columns: list[str]
    rows: list[list[Any]]


def table(
    runs: Sequence[RunView],
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
    available = every_column(runs)
    chosen = [full_name(column, available) for column in columns] if columns is not None else _usual(runs)
    ordered = list(runs)
    if sort is not None:
        column = full_name(sort.removeprefix("-"), available)
        ordered = _sorted(ordered, column, descending=sort.startswith("-") != reverse)
    elif reverse:
        ordered.reverse()
    show = cell if columns is not None else _so_far
    return Table(chosen, [[show(run, column) for column in chosen] for run in ordered])


def _so_far(run: RunView, column: str) -> Any:
    """The value, or where a run has not reported it yet, the last of its curve: a run at work is worth watching."""
    value = cell(run, column)
    return cell(run, column.replace("summary.", "metrics.", 1)) if value is None else value


def _usual(runs: Sequence[RunView]) -> list[str]:
    tags = ["tags"] if any(run.tags for run in runs) else []
    return [*FACTS, *tags, *_usual_results(runs)]


def _usual_results(runs: Sequence[RunView]) -> list[str]:
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


def _sorted(runs: list[RunView], column: str, *, descending: bool) -> list[RunView]:
    values = {run.run_path: cell(run, column) for run in runs}
    present = [run for run in runs if not _is_missing(values[run.run_path])]
    missing = [run for run in runs if _is_missing(values[run.run_path])]
    return sorted(present, key=lambda run: _order(values[run.run_path]), reverse=descending) + missing


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _order(value: Any) -> tuple[int, Any]:
    """Numbers before times before texts, since one parameter may be a number here and a text there."""
    if isinstance(value, (int, float)):
        return 0, value
    if isinstance(value, datetime):
        return 1, value.timestamp()
    return 2, str(value)
