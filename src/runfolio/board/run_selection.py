"""Selection of the runs and columns that a request names.

The index is a database with the main data of all runs in the store.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

from runfolio.board.query_args import QueryArgs
from runfolio.board.state import BoardState
from runfolio.errors import NotFound, did_you_mean
from runfolio.query.filter.column_lookup import AGGREGATES, EXTREMES, IndexColumn, find_column, find_figure
from runfolio.query.filter.dialect import SQLITE
from runfolio.query.filter.select import Selection, is_empty, select_rows
from runfolio.query.filter.sql_order import NEWEST_FIRST
from runfolio.query.filter.sql_text import Sql, bound, sql
from runfolio.query.filter.typed_sql import Values
from runfolio.query.index.run_columns import RunRow
from runfolio.query.index.run_index import read_catalog
from runfolio.query.index.tables import Catalog
from runfolio.query.selection.columns import FACTS, MORE_FACTS
from runfolio.query.selection.metric_names import Mode, guess_mode
from runfolio.query.selection.ranking import BROKEN
from runfolio.record.base.flat_names import as_number

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun
    from runfolio.query.store import Runs

Result = TypeVar("Result")

SELECTION_ARGS = ("experiment", "where", "archived")
"""Parameters that select runs."""
TIMES: tuple[LiteralString, ...] = ("created", "ended")
"""Names of the columns that contain times."""
_FIELDS = {"duration": "duration_s"}
"""Alternative names of columns, mapped to the names that filters use."""


class SelectedRuns:
    """Runs that a request selects. Their data are read from the index when they are needed.

    Args:
        board: Board whose runs are selected.
        selection: Conditions that select the runs.

    Raises:
        NotFound: The experiment does not exist.
        FilterError: The filter is invalid, or it names an unknown column.
    """

    def __init__(self, board: BoardState, selection: Selection) -> None:
        self.board = board
        self.selection = selection
        self.catalog = board.once(("names", selection.experiment), self._read_names)
        """Names of the columns that the runs of the experiment have."""
        self.total = self.once("count", self._count)
        """Number of selected runs."""

    @classmethod
    def of(cls, board: BoardState, args: QueryArgs) -> SelectedRuns:
        """Return the runs that the parameters `experiment`, `where` and `archived` select."""
        selection = Selection(
            experiment=args.text("experiment"), where=args.text("where"), archived=args.flag("archived")
        )
        return cls(board, selection)

    def once(self, name: Hashable, compute: Callable[[], Result]) -> Result:
        """Return the result of `compute` for this selection. The result is cached until the index changes."""
        return self.board.once((name, self.selection), compute)

    def rows(self, order: Sql = NEWEST_FIRST, *, limit: int | None = None, offset: int = 0) -> list[RunRow]:
        """Return the rows of the selected runs in the index, in the given order."""

        def read(connection: sqlite3.Connection) -> list[RunRow]:
            return select_rows(connection, self.condition(connection), order, limit, offset)

        return self.board.folio.read_index(read)

    def runs(self, order: Sql = NEWEST_FIRST, *, limit: int | None = None, offset: int = 0) -> Runs:
        """Return the selected runs, in the given order."""
        return self.board.folio.runs_of(self.rows(order, limit=limit, offset=offset))

    def states(self) -> dict[str, int]:
        """Return the number of selected runs in each state."""

        def read(connection: sqlite3.Connection) -> dict[str, int]:
            query = sql("SELECT r.state, count(*) FROM runs r WHERE {} GROUP BY r.state", self.condition(connection))
            return dict(connection.execute(query.text, query.parameters))

        return self.board.folio.read_index(read)

    def condition(self, connection: sqlite3.Connection) -> Sql:
        """Return the SQL condition that selects the runs. In this condition, `r` is a row of the table `runs`."""
        SQLITE.prepare(connection)
        if is_empty(connection):
            return sql("false")
        return self.selection.compile(self.catalog, datetime.now(UTC))

    def column(self, name: str, metric: str | None = None, mode: Mode | None = None) -> TableColumn:
        """Return the column with a name, which is a name of the filter language or a value of a metric, such as
        `loss.min`.

        Args:
            name: Name of the column.
            metric: Metric to which `mode` applies.
            mode: `min` if lower values of `metric` are better, or `max` if higher values are better.

        Raises:
            NotFound: The column does not exist, or the direction of the metric is unknown.
        """
        base, _, aggregate = name.rpartition(".")
        base = base.removeprefix("metrics.")
        metrics = self.catalog.metrics
        if name.startswith("tags."):
            return TableColumn(name, IndexColumn("tag", name.removeprefix("tags.")))
        if base not in metrics or name.removeprefix("metrics.") in metrics or aggregate not in (*AGGREGATES, "best"):
            return TableColumn(name, find_column(_FIELDS.get(name, name), self.catalog))
        if aggregate != "best":
            return TableColumn(name, IndexColumn("metrics", base, AGGREGATES[aggregate]))
        direction = mode if base == metric and mode else guess_mode(base)
        if direction is None:
            raise NotFound(f"the best value of {base!r} is not known; use {base}.min or {base}.max")
        return TableColumn(name, IndexColumn("metrics", base, EXTREMES[direction]))

    def order_by(self, column: IndexColumn, *, descending: bool) -> Sql:
        """Return the terms of ORDER BY for a column. Runs without a value come last."""
        value = Values(self.catalog, SQLITE, datetime.now(UTC)).of(column).present
        return sql("{}, {}", SQLITE.ordered(value, descending=descending), NEWEST_FIRST)

    def order_by_figure(self, metric: str, mode: Mode, *, worst_first: bool = False) -> Sql:
        """Return the terms of ORDER BY for the best values of a metric. Runs that failed or crashed come last.

        Raises:
            NotFound: No run has the metric.
        """
        figure = find_figure(metric, self.catalog, mode)
        by_figure = self.order_by(figure, descending=(mode == "max") != worst_first)
        return sql("r.state IN ({}, {}), {}", *map(bound, BROKEN), by_figure)

    def _read_names(self) -> Catalog:
        experiment = self.selection.experiment

        def read(connection: sqlite3.Connection) -> Catalog:
            if experiment is not None:
                names = [name for (name,) in connection.execute("SELECT DISTINCT experiment FROM runs")]
                if names and experiment not in names:
                    raise NotFound(f"no experiment {experiment!r}; {did_you_mean(experiment, names)}")
            return read_catalog(connection, experiment)

        return self.board.folio.read_index(read)

    def _count(self) -> int:
        def read(connection: sqlite3.Connection) -> int:
            query = sql("SELECT count(*) FROM runs r WHERE {}", self.condition(connection))
            return connection.execute(query.text, query.parameters).fetchone()[0]

        return self.board.folio.read_index(read)


@dataclass(frozen=True)
class TableColumn:
    """Column of the table of runs."""

    name: str
    """Name as the request spells it."""
    column: IndexColumn

    @property
    def heading(self) -> str:
        """Name in the header of the table."""
        kind, _, bare = self.name.partition(".")
        name = bare if kind in ("params", "summary", "metrics", "tags") else self.name
        metric, dot, aggregate = name.rpartition(".")
        is_aggregate = dot and self.column.kind == "metrics" and self.column.name == metric
        return f"{metric} {aggregate}" if is_aggregate else name

    @property
    def is_time(self) -> bool:
        """True if the values are seconds since 1970."""
        return self.column.kind == "fact" and self.column.name in TIMES

    def values(self, runs: Runs) -> list[Any]:
        """Return the value of each run, or None for runs without a value."""
        name, kind = self.column.name, self.column.kind
        if kind == "fact":
            return [_fact(name, run) for run in runs]
        if kind in ("params", "results"):
            return [(run.flat_config if kind == "params" else run.flat_summary).get(name) for run in runs]
        if kind == "data":
            return [run.data[name].fingerprint if name in run.data else None for run in runs]
        if kind == "tag":
            return [_tag(name, run.tags) for run in runs]
        return [self._figure(run) for run in runs]

    def _figure(self, run: RecordedRun) -> Any:
        reported = as_number(run.flat_summary.get(self.column.name)) if self.column.kind == "figure" else None
        summary = run.metrics.get(self.column.name)
        return reported if reported is not None or summary is None else getattr(summary, self.column.aggregate)


def _tag(name: str, tags: Sequence[str]) -> str | bool | None:
    """Return `rest` for a tag `NAME=rest`, True for a tag `NAME`, and None if the run has neither."""
    spellings = (f"{name}=", f"{name}:")
    tag = next((tag for tag in tags if tag == name or tag.startswith(spellings)), None)
    return None if tag is None else True if tag == name else tag[len(name) + 1 :]


def _fact(name: str, run: RecordedRun) -> Any:
    if name in TIMES:
        return seconds(getattr(run.row, name))
    return (FACTS.get(name) or MORE_FACTS[name])(run)


def plain(value: Any) -> Any:
    """Return a value of a run for JSON. Numbers that JSON cannot represent become strings."""
    if isinstance(value, float) and value - value != 0:
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and not -(2**53) <= value <= 2**53:
        return str(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def seconds(time_us: int | None) -> float | None:
    """Convert microseconds since 1970, as in the index, to seconds."""
    return None if time_us is None else time_us / 1e6
