"""Selection of runs from the index, with filters, an order and a maximum number."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime

from runfolio.query.filter.dialect import SQLITE
from runfolio.query.filter.parser import parse
from runfolio.query.filter.sql import compile_filter
from runfolio.query.filter.sql_order import NEWEST_FIRST, compile_order
from runfolio.query.filter.sql_text import Sql, bound, joined, sql
from runfolio.query.index.run_columns import ROW_COLUMNS, RunRow
from runfolio.query.index.run_index import read_catalog
from runfolio.query.index.tables import Catalog


def select_runs(
    connection: sqlite3.Connection,
    experiment: str | None = None,
    state: str | None = None,
    *,
    tags: Iterable[str] = (),
    where: str | None = None,
    sort: str | None = None,
    reverse: bool = False,
    limit: int | None = None,
    archived: bool = False,
) -> list[RunRow]:
    """Return the rows of the selected runs. The arguments are the same as for `Folio.runs`.

    Raises:
        FilterError: `where` is not a valid filter, or it names an unknown column.
        NotFound: The column `sort` does not exist.
    """
    now = datetime.now(UTC)
    conditions = [sql("r.run = r.run")] if archived else [sql("NOT r.archived")]
    conditions += [sql("r.experiment = {}", bound(experiment))] if experiment is not None else []
    conditions += [sql("r.state = {}", bound(state))] if state is not None else []
    conditions += [
        sql("EXISTS (SELECT 1 FROM tags WHERE tags.run = r.run AND tag = {})", bound(tag))
        for tag in dict.fromkeys(tags)
    ]
    if not connection.execute("SELECT EXISTS (SELECT 1 FROM runs)").fetchone()[0]:
        if where is not None:
            parse(where)  # only the syntax is checked, since an empty store has no names
        return []
    catalog = read_catalog(connection, experiment) if where is not None or sort is not None else Catalog()
    conditions += [compile_filter(where, catalog, SQLITE, now=now)] if where is not None else []
    order = compile_order(sort, catalog, SQLITE, now=now, reverse=reverse)
    return select_rows(connection, joined(" AND ", [sql("({})", condition) for condition in conditions]), order, limit)


def select_rows(
    connection: sqlite3.Connection, condition: Sql, order: Sql = NEWEST_FIRST, limit: int | None = None
) -> list[RunRow]:
    """Return the rows `r` of the table `runs` that meet a condition, in the given order."""
    SQLITE.prepare(connection)
    columns = Sql(ROW_COLUMNS)
    most = bound(-1 if limit is None else limit)
    query = sql("SELECT {} FROM runs r WHERE {} ORDER BY {} LIMIT {}", columns, condition, order, most)
    return list(map(RunRow._make, connection.execute(query.text, query.parameters)))
