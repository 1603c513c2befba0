"""Groups of runs that have the same values in some columns, and statistics of a metric over each group."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from runfolio.query.filter.dialect import SQLITE
from runfolio.query.filter.select import Selection, is_empty
from runfolio.query.filter.sql_groups import compile_groups
from runfolio.query.filter.sql_text import bound, sql
from runfolio.query.index.run_index import read_catalog
from runfolio.query.index.tables import BOOLEAN, JSON
from runfolio.query.selection.metric_names import Mode
from runfolio.query.selection.ranking import BROKEN
from runfolio.query.selection.significance import t_95


@dataclass(frozen=True, kw_only=True)
class RunGroup:
    """Statistics of a metric over the runs that have the same values in some columns."""

    values: dict[str, Any]
    """Values that the runs share, keyed by column."""
    runs: int
    """Number of runs that have the metric."""
    mean: float
    std: float | None
    """Sample standard deviation. `std`, `low` and `high` are None for a single run."""
    low: float | None
    """Lower end of the 95 % interval for the mean (Student's t)."""
    high: float | None
    lowest: float
    highest: float


def select_groups(
    connection: sqlite3.Connection, selection: Selection, group_by: Sequence[str], metric: str, mode: Mode | None
) -> list[RunGroup]:
    """Return the groups of the selected runs, sorted by mean, best first (see `Folio.groups`).

    Raises:
        FilterError: `where` is not a valid filter, or it names an unknown column.
        NotFound: A column or the metric does not exist.
    """
    if is_empty(connection):
        return []
    SQLITE.prepare(connection)
    catalog, now = read_catalog(connection, selection.experiment), datetime.now(UTC)
    failed, crashed = map(bound, BROKEN)
    sound = sql("NOT r.is_reproduction AND r.state NOT IN ({}, {})", failed, crashed)
    where = sql("{} AND {}", selection.compile(catalog, now), sound)
    query = compile_groups(group_by, metric, mode, catalog, SQLITE, where=where, now=now)
    rows = connection.execute(query.text, query.parameters)
    return sorted((_group(group_by, row) for row in rows), key=lambda group: group.mean, reverse=mode != "min")


def _group(group_by: Sequence[str], row: Sequence[Any]) -> RunGroup:
    *keys, runs, mean, squares, lowest, highest = row
    values = {name: _value(*keys[2 * index : 2 * index + 2]) for index, name in enumerate(group_by)}
    std = math.sqrt(squares / (runs - 1)) if runs > 1 else None
    half = None if std is None else t_95(runs - 1) * std / math.sqrt(runs)
    return RunGroup(
        values=values,
        runs=runs,
        mean=mean,
        std=std,
        low=None if half is None else mean - half,
        high=None if half is None else mean + half,
        lowest=lowest,
        highest=highest,
    )


def _value(kind: int | None, value: Any) -> Any:
    if kind == BOOLEAN:
        return bool(value)
    return orjson.loads(value) if kind == JSON else value
