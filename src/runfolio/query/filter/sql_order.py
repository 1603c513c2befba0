"""SQL for the order of runs."""

from __future__ import annotations

from datetime import datetime

from runfolio.query.filter.column_lookup import find_column
from runfolio.query.filter.dialect import Dialect
from runfolio.query.filter.sql_text import Sql, sql
from runfolio.query.filter.typed_sql import Values
from runfolio.query.index.tables import Catalog

NEWEST_FIRST = sql("r.created DESC, r.folder DESC")
OLDEST_FIRST = sql("r.created, r.folder")


def compile_order(sort: str | None, catalog: Catalog, dialect: Dialect, *, now: datetime, reverse: bool = False) -> Sql:
    """Return the terms of ORDER BY for rows `r` of the table `runs`.

    Numbers come before strings. Runs without a value come last in both directions. Runs with the same value are ordered
    by creation, newest first.

    Args:
        sort: Column to sort by in ascending order. The prefix `-` means descending order. Default: newest first.
        catalog: Names that `sort` may use.
        dialect: SQL of the database.
        now: Current time. Durations of running runs are measured up to this time.
        reverse: Reverse the order. Runs without a value still come last.

    Raises:
        NotFound: The column is not in the catalog. The message lists the most similar names.
    """
    if sort is None:
        return OLDEST_FIRST if reverse else NEWEST_FIRST
    column = find_column(sort.removeprefix("-"), catalog)
    value = Values(catalog, dialect, now).of(column).present
    return sql("{}, {}", dialect.ordered(value, descending=sort.startswith("-") != reverse), NEWEST_FIRST)
