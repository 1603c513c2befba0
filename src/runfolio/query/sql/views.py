"""Tables that SQL queries can use. A table is built only if a query needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import pyarrow as pa

from runfolio.query.frames.value_arrays import value_array, value_text
from runfolio.query.run_view import RunView
from runfolio.query.selection.columns import FACTS, MORE_FACTS
from runfolio.query.selection.figures import best_in_curve
from runfolio.record.points.metric_summary import MetricSummary


def runs_view(runs: Sequence[RunView]) -> pa.Table:
    """Return a table with one row per run and one column per fact."""
    return _utc(
        pa.table({name: value_array([fact(run) for run in runs]) for name, fact in {**FACTS, **MORE_FACTS}.items()})
    )


def params_view(runs: Sequence[RunView]) -> pa.Table:
    """Return a table with one row per run and setting."""
    return _values(runs, lambda run: run.flat_config)


def summary_view(runs: Sequence[RunView]) -> pa.Table:
    """Return a table with one row per run and result."""
    return _values(runs, lambda run: run.flat_summary)


def metrics_view(runs: Sequence[RunView]) -> pa.Table:
    """Return a table with one row per run and metric. A row contains the summary of the metric's curve."""
    summaries = [(run, name, summary) for run in runs for name, summary in run.metrics.items()]
    numbers = {field.name: pa.float64() if field.type == "float" else pa.int64() for field in fields(MetricSummary)}
    rows = [asdict(summary) for _, _, summary in summaries]
    return pa.table(
        {
            "run": _texts([run.id for run, _, _ in summaries]),
            "name": _texts([name for _, name, _ in summaries]),
            "best": pa.array([best_in_curve(run, name) for run, name, _ in summaries], pa.float64()),
            **{name: pa.array([row[name] for row in rows], kind) for name, kind in numbers.items()},
        }
    )


def _values(runs: Sequence[RunView], values_of: Callable[[RunView], Mapping[str, Any]]) -> pa.Table:
    rows = [(run.id, name, value) for run in runs for name, value in values_of(run).items()]
    return pa.table(
        {
            "run": _texts([run for run, _, _ in rows]),
            "name": _texts([name for _, name, _ in rows]),
            "number": pa.array([_number(value) for _, _, value in rows], pa.float64()),
            "text": _texts([None if value is None else value_text(value) for _, _, value in rows]),
        }
    )


def _number(value: Any) -> float | None:
    """Return a number as a float. Return None for other values and for integers that are too large."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _texts(values: Sequence[str | None]) -> pa.Array:
    return pa.array(values, pa.string())


def _utc(table: pa.Table) -> pa.Table:
    """Remove the time zone from all UTC times of a table, since DuckDB needs an extension for time zones."""
    for number, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(number, field.name, table.column(number).cast(pa.timestamp("us")))
    return table
