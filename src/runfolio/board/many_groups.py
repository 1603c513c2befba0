"""Groups of more runs than can be compared one by one. Their values are read from the index, column by column."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, LiteralString

import numpy as np
from numpy.typing import NDArray

from runfolio.board.default_columns import naming_settings_of
from runfolio.board.run_selection import SelectedRuns
from runfolio.query.filter.column_lookup import IndexColumn, find_column, find_figure
from runfolio.query.filter.dialect import SQLITE
from runfolio.query.filter.sql_text import bound, sql
from runfolio.query.filter.typed_sql import Values
from runfolio.query.index.rows import value_of
from runfolio.query.index.tables import NULL, ValueTable
from runfolio.query.selection.metric_names import Mode
from runfolio.query.selection.ranking import BROKEN
from runfolio.query.selection.significance import Moments, holm, moments_p, t_95


@dataclass(frozen=True, kw_only=True)
class TableGroup:
    """Runs that have the same values in some columns, with statistics of a metric."""

    read_values: Callable[[], Mapping[str, Any]]
    """Function that returns the values that the runs share, keyed by the name of the column."""
    members: Sequence[tuple[int, str]]
    """Key and id of each run of the group."""
    states: Mapping[str, int]
    """Number of runs without a value in each state. Failed and crashed runs have no value."""
    label: str | None = None
    """Name of the group. Default: a name made from the values that the runs share."""
    n: int = 0
    """Number of runs with a value. Without a value, the statistics are None."""
    mean: float | None = None
    std: float | None = None
    low: float | None = None
    """Lower end of the 95 % interval for the mean. `std`, `low` and `high` are None for a single run."""
    high: float | None = None
    lowest: float | None = None
    highest: float | None = None
    tied: bool = False
    """True if the mean does not differ significantly from the mean of the first group."""


@dataclass(frozen=True)
class _Column:
    """Column whose distinct values are numbered from 1. The number 0 stands for a missing value."""

    name: str
    codes: NDArray[np.int64]
    """Array with one number per run, which stands for the value of the run in this column."""
    values: dict[int, Any]
    """Distinct values, keyed by the number that stands for the value."""


def count_groups(selected: SelectedRuns, group_by: str, metric: str, mode: Mode | None) -> list[TableGroup]:
    """Return the groups of the selected runs, best first. Groups without a value come last.

    Raises:
        NotFound: A column or the metric does not exist.
    """
    names = [name for part in group_by.split(",") if (name := part.strip())]
    excluded = {name.removeprefix("-").removeprefix("params.") for name in names if name.startswith("-")}
    if excluded:
        names, excluded = [], excluded | set(naming_settings_of(selected))

    def read(connection: sqlite3.Connection) -> list[TableGroup]:
        values = Values(selected.catalog, SQLITE, datetime.now(UTC))
        figure = values.of(find_figure(metric, selected.catalog, mode)).types["number"]
        where = sql("{} AND NOT r.is_reproduction", selected.condition(connection))
        query = sql("SELECT r.run, r.id, r.state, {} FROM runs r WHERE {} ORDER BY r.created", figure, where)
        runs = connection.execute(query.text, query.parameters).fetchall()
        positions = {run: position for position, (run, *_) in enumerate(runs)}
        columns = [_read(connection, values, positions, name, find_column(name, selected.catalog)) for name in names]
        if excluded:
            columns = _varying(connection, values, positions, excluded)
        return _groups(columns, runs, mode)

    return selected.board.folio.read_index(read)


def _varying(
    connection: sqlite3.Connection, values: Values, positions: Mapping[int, int], excluded: AbstractSet[str]
) -> list[_Column]:
    """Return the settings that vary, the most frequent first."""
    names = [name for name in values.catalog.params if name not in excluded]
    columns = [_read(connection, values, positions, f"params.{name}", IndexColumn("params", name)) for name in names]
    varying = [column for column in columns if len(positions) and column.codes.min() != column.codes.max()]
    return sorted(varying, key=lambda column: -np.count_nonzero(column.codes))


def _read(
    connection: sqlite3.Connection, values: Values, positions: Mapping[int, int], name: str, column: IndexColumn
) -> _Column:
    if column.kind in ("params", "results"):
        template: LiteralString = "SELECT run, kind, number, text FROM {} WHERE name_id = {}"
        table: ValueTable = "params" if column.kind == "params" else "results"
        query = sql(template, sql(table), bound(getattr(values.catalog, table)[column.name]))
        decode: Callable[..., Any] = value_of
    else:
        typed = values.of(column)
        query = sql("SELECT r.run, {} FROM runs r", typed.present)
        decode = bool if "boolean" in typed.types else lambda value: value
    runs, *parts = zip(*connection.execute(query.text, query.parameters), strict=True)
    read = list(zip(*parts, strict=True))
    numbers = {(NULL, None, None): 0, (None,): 0}
    for value in dict.fromkeys(read):
        numbers.setdefault(value, len(numbers))
    # The last element of the array is for runs that are not selected.
    codes = np.zeros(len(positions) + 1, np.int64)
    codes[[positions.get(run, -1) for run in runs]] = list(map(numbers.__getitem__, read))
    return _Column(name, codes[:-1], {number: decode(*value) for value, number in numbers.items() if number})


def _groups(
    columns: Sequence[_Column], runs: Sequence[tuple[int, str, str, Any]], mode: Mode | None
) -> list[TableGroup]:
    """Return the groups of runs that have the same values in all columns."""
    if not runs:
        return []
    numbers = np.zeros(len(runs), np.int64)
    for column in columns:
        numbers = np.unique(numbers * (column.codes.max() + 1) + column.codes, return_inverse=True)[1].ravel()
    figures = np.array([math.nan if state in BROKEN or value is None else value for *_, state, value in runs], float)
    is_measured = np.isfinite(figures)
    statistics = _statistics(numbers, figures, is_measured)
    order = np.argsort(numbers, kind="stable")
    quantile = cache(t_95)
    groups: list[tuple[TableGroup, Moments]] = []
    split = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
    for members, (n, mean, variance, lowest, highest) in zip(split, statistics, strict=True):
        half = quantile(n - 1) * math.sqrt(variance / n) if n > 1 else None
        group = TableGroup(
            read_values=partial(_shared_values, columns, members[0]),
            members=[runs[member][:2] for member in members],
            states=Counter(runs[member][2] for member in members if not is_measured[member]),
            n=n,
            mean=mean if n else None,
            std=math.sqrt(variance) if n > 1 else None,
            low=None if half is None else mean - half,
            high=None if half is None else mean + half,
            lowest=lowest if n else None,
            highest=highest if n else None,
        )
        groups.append((group, Moments(n, mean, variance / max(1, n), max(abs(lowest), abs(highest)))))
    sign = 1 if mode == "min" else -1
    groups.sort(key=lambda pair: (pair[0].n == 0, sign * pair[1].mean))
    return _with_ties(groups)


def _statistics(
    numbers: NDArray[np.int64], figures: NDArray[np.float64], is_measured: NDArray[np.bool_]
) -> list[tuple[int, float, float, float, float]]:
    """Return the count, mean, variance, minimum and maximum of the values of each group."""
    total = int(numbers.max()) + 1
    numbers, figures = numbers[is_measured], figures[is_measured]
    count = np.bincount(numbers, minlength=total)
    mean = np.bincount(numbers, figures, total) / np.maximum(count, 1)
    variance = np.bincount(numbers, (figures - mean[numbers]) ** 2, total) / np.maximum(count - 1, 1)
    lowest, highest = np.full(total, math.inf), np.full(total, -math.inf)
    np.minimum.at(lowest, numbers, figures)
    np.maximum.at(highest, numbers, figures)
    return list(zip(*(column.tolist() for column in (count, mean, variance, lowest, highest)), strict=True))


def _shared_values(columns: Sequence[_Column], run: int) -> dict[str, Any]:
    return {column.name: column.values.get(int(column.codes[run])) for column in columns}


def _with_ties(groups: Sequence[tuple[TableGroup, Moments]]) -> list[TableGroup]:
    (_, best), *rivals = groups
    comparable = [index for index, (_, other) in enumerate(rivals, start=1) if min(best.size, other.size) > 1]
    differ = holm([moments_p(best, groups[index][1]) for index in comparable])
    tied = {index for index, is_different in zip(comparable, differ, strict=True) if not is_different}
    return [replace(group, tied=True) if index in tied else group for index, (group, _) in enumerate(groups)]
