"""Index in memory of runs that need no files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from runfolio.query.filter.dialect import SQLITE
from runfolio.query.filter.select import select_rows
from runfolio.query.filter.sql_text import Sql, sql
from runfolio.query.index.database import IndexDatabase
from runfolio.query.index.entries import ScannedRun
from runfolio.query.index.run_columns import RunColumns
from runfolio.query.index.run_index import StoreIndex, read_catalog, write_scan
from runfolio.query.run import RecordedRun


class IndexInMemory:
    """Index with the tables of some runs."""

    def __init__(self, scanned: Sequence[ScannedRun]) -> None:
        self.database = IndexDatabase(None)
        write_scan(self.database, scanned)
        self.catalog = self.read(read_catalog)
        rows = self.read(lambda connection: select_rows(connection, sql("1"), sql("r.rowid")))
        columns = RunColumns(cast("StoreIndex", self.database), [row.key for row in rows])
        self.runs = [RecordedRun(Path("/nowhere"), row, columns) for row in rows]

    def folders(self, where: Sql, order: Sql) -> list[str]:
        """Return the folders of the runs for which a condition is true, in an order."""
        rows = self.read(lambda connection: select_rows(connection, where, order))
        return [row.folder.decode() for row in rows]

    def rows(self, query: Sql) -> list[Any]:
        """Return the rows of a query."""
        return self.read(lambda connection: connection.execute(query.text, query.parameters).fetchall())

    def read(self, action: Callable[[Any], Any]) -> Any:
        """Return the result of an action with a connection to the tables."""

        def prepared(connection: Any) -> Any:
            SQLITE.prepare(connection)
            return action(connection)

        return self.database.read(prepared)
