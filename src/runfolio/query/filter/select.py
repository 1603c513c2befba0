"""Selection of runs from the index, with filters, an order and a maximum number."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from runfolio.errors import FilterError
from runfolio.query.filter.dialect import SQLITE
from runfolio.query.filter.parser import parse
from runfolio.query.filter.quoted_numbers import quoted_numbers, without_quotes
from runfolio.query.filter.sql import compile_filter
from runfolio.query.filter.sql_order import NEWEST_FIRST, compile_order
from runfolio.query.filter.sql_text import Sql, bound, joined, sql
from runfolio.query.filter.tree import to_text
from runfolio.query.index.rows import is_encodable
from runfolio.query.index.run_columns import ROW_COLUMNS, RunRow
from runfolio.query.index.run_index import read_catalog
from runfolio.query.index.tables import Catalog


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Conditions that select runs (see `Folio.runs`)."""

    experiment: str | None = None
    state: str | None = None
    tags: Sequence[str] = ()
    where: str | None = None
    archived: bool = False

    def compile(self, catalog: Catalog, now: datetime) -> Sql:
        """Return all conditions as one SQL condition on a row `r` of the table `runs`.

        Raises:
            FilterError: `where` is not a valid filter, or it names a column that is not in the catalog.
        """
        conditions = [sql("true")] if self.archived else [sql("NOT r.archived")]
        conditions += [sql("r.experiment = {}", bound(self.experiment))] if self.experiment is not None else []
        conditions += [sql("r.state = {}", bound(self.state))] if self.state is not None else []
        conditions += [
            sql("EXISTS (SELECT 1 FROM tags WHERE tags.run = r.run AND tag = {})", bound(tag))
            if is_encodable(tag)
            else sql("false")  # no run has a tag with bytes that are not UTF-8
            for tag in dict.fromkeys(self.tags)
        ]
        conditions += [compile_filter(self.where, catalog, SQLITE, now=now)] if self.where is not None else []
        return joined(" AND ", [sql("({})", condition) for condition in conditions])


def select_runs(
    connection: sqlite3.Connection,
    selection: Selection,
    sort: str | None = None,
    *,
    reverse: bool = False,
    limit: int | None = None,
) -> list[RunRow]:
    """Return the rows of the selected runs. The arguments are the same as for `Folio.runs`.

    Raises:
        FilterError: `where` is not a valid filter, or it names an unknown column.
        NotFound: The column `sort` does not exist.
    """
    if is_empty(connection):
        if selection.where is not None:
            parse(selection.where)  # only the syntax is checked, since an empty store has no names
        return []
    needs_names = selection.where is not None or sort is not None
    catalog = read_catalog(connection, selection.experiment) if needs_names else Catalog()
    now = datetime.now(UTC)
    order = compile_order(sort, catalog, SQLITE, now=now, reverse=reverse)
    rows = select_rows(connection, selection.compile(catalog, now), order, limit)
    if not rows:
        _refuse_quoted_numbers(connection, selection, catalog, now)
    return rows


def _refuse_quoted_numbers(
    connection: sqlite3.Connection, selection: Selection, catalog: Catalog, now: datetime
) -> None:
    """Raise FilterError if a filter selects no runs only because its numbers are in quotes."""
    if selection.where is None or (quoted := next(quoted_numbers(parse(selection.where)), None)) is None:
        return
    unquoted = replace(selection, where=to_text(without_quotes(parse(selection.where))))
    if select_rows(connection, unquoted.compile(catalog, now), limit=1):
        problem = f"no run matches the string '{quoted.value}', but runs match the number; remove the quotes"
        raise FilterError(selection.where, quoted.position, problem)


def is_empty(connection: sqlite3.Connection) -> bool:
    """Return whether the index has no runs."""
    return not connection.execute("SELECT EXISTS (SELECT 1 FROM runs)").fetchone()[0]


def select_rows(
    connection: sqlite3.Connection,
    condition: Sql,
    order: Sql = NEWEST_FIRST,
    limit: int | None = None,
    offset: int = 0,
) -> list[RunRow]:
    """Return the rows `r` of the table `runs` that meet a condition, in the given order. The first `offset` rows are
    skipped, and at most `limit` rows are returned."""
    SQLITE.prepare(connection)
    columns = Sql(ROW_COLUMNS)
    most = bound(-1 if limit is None else limit)
    page = sql("LIMIT {} OFFSET {}", most, bound(offset))
    query = sql("SELECT {} FROM runs r WHERE {} ORDER BY {} {}", columns, condition, order, page)
    return list(map(RunRow._make, connection.execute(query.text, query.parameters)))
