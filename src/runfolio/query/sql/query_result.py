"""Execution of SQL queries on runs, in a DuckDB connection that can only read the store."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from runfolio.errors import ConfigError, MissingExtra
from runfolio.query.arrow_frame import ArrowFrame
from runfolio.query.html_table import HTML_ROWS, html_table
from runfolio.query.run_view import RunView
from runfolio.query.sql import point_sources, views
from runfolio.query.sql.statements import check_query, error_line

VIEWS = {
    "runs": views.runs_view,
    "params": views.params_view,
    "summary": views.summary_view,
    "metrics": views.metrics_view,
}
_POINTS = "points"
_SHOW_TABLES = re.compile(r"\s*SHOW\s+(ALL\s+)?TABLES\s*;?\s*", re.IGNORECASE)
_FILES = pa.schema([("path", pa.string()), ("run", pa.string())])
_CONFIG = {
    "python_enable_replacements": "false",  # do not treat the caller's variables as tables
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "temp_directory": "",
    "memory_limit": "40%",  # percentage of the memory of the machine or the container
}


class QueryResult(ArrowFrame):
    """Result of a query. Convert it with `to_arrow()`, `to_pandas()` or `to_polars()`. Notebooks show it as a table."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __repr__(self) -> str:
        return f"<QueryResult of {self._table.num_rows:,} rows: {', '.join(self._table.column_names)}>"

    def __len__(self) -> int:
        return self._table.num_rows

    def to_arrow(self) -> pa.Table:
        return self._table

    def _repr_html_(self) -> str:
        shown = self._table.slice(0, HTML_ROWS)
        rows = list(zip(*(column.to_pylist() for column in shown.columns), strict=True))
        return html_table(shown.column_names, rows, total=self._table.num_rows)


def run_query(query: str, runs: Sequence[RunView], store: Path) -> QueryResult:
    """Run one SELECT on runs (see `Folio.sql`).

    Raises:
        ConfigError: The query is not a SELECT, or DuckDB cannot run it.
        MissingExtra: DuckDB is not installed.
    """
    duckdb = _import_duckdb()
    check_query(query, duckdb)
    if _SHOW_TABLES.fullmatch(query):  # DuckDB would also list the sources of the view `points`
        return QueryResult(pa.table({"name": sorted((*VIEWS, _POINTS))}))
    with duckdb.connect(":memory:", config=_CONFIG) as connection:
        try:
            _add_views(connection, _needed_views(query), runs)
            _lock(connection, store)
            return QueryResult(_plain_columns(connection.sql(query).to_arrow_table()))
        except duckdb.Error as error:
            raise ConfigError(f"{error_line(error)}; {_remedy(error, duckdb)}") from None


def _import_duckdb() -> Any:
    try:
        import duckdb
    except ImportError:
        raise MissingExtra("duckdb", "sql", "SQL") from None
    return duckdb


def _needed_views(query: str) -> list[str]:
    """Return the names of the views (tables of the store) that occur in a query. If none occurs, return all names,
    because the query may list the views."""
    words = query.lower()
    named = [name for name in (*VIEWS, _POINTS) if name in words]
    return named or [*VIEWS, _POINTS]


def _add_views(connection: Any, names: Sequence[str], runs: Sequence[RunView]) -> None:
    for name in names:
        if name in VIEWS:
            connection.register(name, VIEWS[name](runs))
    if _POINTS in names:
        files, others = point_sources.split_sources(runs)
        connection.register("point_files", pa.table({"path": [*files], "run": [*files.values()]}, _FILES))
        connection.register("streamed_points", point_sources.PointStream(others))
        connection.execute(f"CREATE VIEW {_POINTS} AS {point_sources.points_sql(files)}")


def _lock(connection: Any, store: Path) -> None:
    """Restrict the connection to the store's folder. DuckDB could still write there, which `check_query` prevents."""
    connection.execute(f"SET allowed_directories = [{point_sources.quote(str(store))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _remedy(error: Exception, duckdb: Any) -> str:
    if isinstance(error, duckdb.OutOfMemoryException):
        return "select fewer rows, or aggregate them in the query"
    if isinstance(error, duckdb.PermissionException):
        return "a query can read only the store"
    if isinstance(error, (duckdb.IOException, duckdb.InvalidInputException)):
        return "`runfolio doctor` checks the files"
    return f"the tables are {', '.join((*VIEWS, _POINTS))}; `DESCRIBE {_POINTS}` lists the columns of a table"


def _plain_columns(table: pa.Table) -> pa.Table:
    """Convert decimals (such as sums of integers) to integers or floats, and make the column names unique."""
    names: list[str] = []
    for number, name in enumerate(table.column_names):
        names.append(name if name not in names else f"{name}_{number + 1}")
        if pa.types.is_decimal(table.schema.field(number).type):
            table = table.set_column(number, name, _numbers(table.column(number)))
    return table.rename_columns(names)


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return decimals as integers if they are whole numbers within 64 bits, else as floats."""
    if column.type.scale == 0:
        try:
            return column.cast(pa.int64())
        except pa.ArrowInvalid:
            pass
    return column.cast(pa.float64())
