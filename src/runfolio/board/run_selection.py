"""Runs that a request selects, and the columns that it names."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, LiteralString

from runfolio.board.query_args import QueryArgs
from runfolio.board.state import BoardState
from runfolio.errors import NotFound, did_you_mean
from runfolio.query.filter.column_lookup import IndexColumn, find_column, find_figure
from runfolio.query.filter.dialect import SQLITE
from runfolio.query.filter.select import Selection, is_empty, select_rows
from runfolio.query.filter.sql_order import NEWEST_FIRST
from runfolio.query.filter.sql_text import Sql, sql
from runfolio.query.filter.typed_sql import Values
from runfolio.query.index.run_columns import RunRow
from runfolio.query.index.run_index import read_catalog
from runfolio.query.index.tables import Catalog
from runfolio.query.selection.columns import FACTS, MORE_FACTS
from runfolio.query.selection.metric_names import Mode, guess_mode
from runfolio.record.base.flat_names import as_number

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun
    from runfolio.query.store import Runs

SELECTION_ARGS = ("experiment", "where", "archived")
"""Parameters that select runs."""
_AGGREGATES: dict[str, LiteralString] = {
    "last": "last",
    "min": "min",
    "max": "max",
    "mean": "mean",
    "count": "count",
    "step": "last_step",
}
"""Columns of the table `metrics`, keyed by the last part of a column's name."""
_EXTREMES: dict[Mode, LiteralString] = {"min": "min", "max": "max"}
_FIELDS = {"duration": "duration_s"}
"""Facts that have another name in the answers."""


def selection_of(args: QueryArgs) -> Selection:
    """Return the conditions that the parameters of a request set."""
    return Selection(experiment=args.text("experiment"), where=args.text("where"), archived=args.flag("archived"))


@dataclass(frozen=True)
class TableColumn:
    """Column of the table of runs."""

    name: str
    """Name as the request spells it."""
    column: IndexColumn

    @property
    def heading(self) -> str:
        """Readable name."""
        return self.name.removeprefix("params.").removeprefix("summary.").removeprefix("metrics.")

    def values(self, runs: Runs, rows: Sequence[RunRow]) -> list[Any]:
        """Return the values for runs and their rows in the index; None for runs without a value."""
        name, kind = self.column.name, self.column.kind
        if kind == "fact":
            return [_fact(name, run, row) for run, row in zip(runs, rows, strict=True)]
        if kind in ("params", "results"):
            return [(run.flat_config if kind == "params" else run.flat_summary).get(name) for run in runs]
        if kind == "data":
            return [run.data[name].fingerprint if name in run.data else None for run in runs]
        return [self._figure(run) for run in runs]

    def _figure(self, run: RecordedRun) -> Any:
        reported = as_number(run.flat_summary.get(self.column.name)) if self.column.kind == "figure" else None
        summary = run.metrics.get(self.column.name)
        return reported if reported is not None or summary is None else getattr(summary, self.column.aggregate)


def _fact(name: str, run: RecordedRun, row: RunRow) -> Any:
    if name in ("created", "ended"):
        return seconds(getattr(row, name))
    return (FACTS.get(name) or MORE_FACTS[name])(run)


def find_table_column(name: str, catalog: Catalog, metric: str | None = None, mode: Mode | None = None) -> TableColumn:
    """Return the column that a name refers to: a name of the filter language, or `METRIC.last`, `.min`, `.best` ...

    Args:
        name: Name of the column.
        catalog: Names that exist.
        metric: Metric whose direction the request gives.
        mode: Direction of that metric.

    Raises:
        NotFound: The column does not exist, or the direction of the metric is unknown.
    """
    base, _, aggregate = name.rpartition(".")
    base = base.removeprefix("metrics.")
    if base in catalog.metrics and name.removeprefix("metrics.") not in catalog.metrics:
        if aggregate in _AGGREGATES:
            return TableColumn(name, IndexColumn("metrics", base, _AGGREGATES[aggregate]))
        if aggregate == "best":
            direction = mode if base == metric and mode else guess_mode(base)
            if direction is None:
                raise NotFound(f"the best value of {base!r} is not known; use {base}.min or {base}.max")
            return TableColumn(name, IndexColumn("metrics", base, _EXTREMES[direction]))
    return TableColumn(name, find_column(_FIELDS.get(name, name), catalog))


def read_names(board: BoardState, experiment: str | None) -> Catalog:
    """Return the names that the runs of an experiment use.

    Raises:
        NotFound: The experiment does not exist.
    """

    def read(connection: sqlite3.Connection) -> Catalog:
        if experiment is not None:
            names = [name for (name,) in connection.execute("SELECT DISTINCT experiment FROM runs")]
            if names and experiment not in names:
                raise NotFound(f"no experiment {experiment!r}; {did_you_mean(experiment, names)}")
        return read_catalog(connection, experiment)

    return board.once(("names", experiment), lambda: board.folio.read_index(read))


def count_runs(board: BoardState, selection: Selection, catalog: Catalog) -> int:
    """Return the number of selected runs.

    Raises:
        FilterError: The filter is invalid, or it names an unknown column.
    """

    def read(connection: sqlite3.Connection) -> int:
        SQLITE.prepare(connection)
        where = _condition(connection, selection, catalog)
        query = sql("SELECT count(*) FROM runs r WHERE {}", where)
        return connection.execute(query.text, query.parameters).fetchone()[0]

    return board.once(("count", selection), lambda: board.folio.read_index(read))


def read_rows(
    board: BoardState,
    selection: Selection,
    catalog: Catalog,
    order: Sql = NEWEST_FIRST,
    *,
    limit: int | None = None,
    offset: int = 0,
) -> list[RunRow]:
    """Return the rows of the selected runs, in the given order.

    Raises:
        FilterError: The filter is invalid, or it names an unknown column.
    """

    def read(connection: sqlite3.Connection) -> list[RunRow]:
        where = _condition(connection, selection, catalog)
        return select_rows(connection, where, order, limit, offset)

    return board.folio.read_index(read)


def order_by(column: IndexColumn, catalog: Catalog, *, descending: bool) -> Sql:
    """Return the terms of ORDER BY for a column. Runs without a value come last."""
    value = Values(catalog, SQLITE, datetime.now(UTC)).of(column).present
    return sql("{}, {}", SQLITE.ordered(value, descending=descending), NEWEST_FIRST)


def order_by_figure(metric: str, mode: Mode, catalog: Catalog) -> Sql:
    """Return the terms of ORDER BY for the figures of a metric, best first.

    Raises:
        NotFound: No run has the metric.
    """
    return order_by(find_figure(metric, catalog, mode), catalog, descending=mode == "max")


def _condition(connection: sqlite3.Connection, selection: Selection, catalog: Catalog) -> Sql:
    if is_empty(connection):
        return sql("false")
    return selection.compile(catalog, datetime.now(UTC))


def plain(value: Any) -> Any:
    """Return a value of a run for JSON. Numbers that JSON lacks become strings."""
    if isinstance(value, float) and value - value != 0:
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and not -(2**53) <= value <= 2**53:
        return str(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def seconds(time_us: int | None) -> float | None:
    """Return seconds since 1970 from the microseconds in the index."""
    return None if time_us is None else time_us / 1e6
