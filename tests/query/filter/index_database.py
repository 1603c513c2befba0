"""Index in memory of runs that need no files."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from runfolio.query.filter.dialect import SQLITE
from runfolio.query.filter.sql_text import Sql, sql
from runfolio.query.index.rows import RunRows, rows_of
from runfolio.query.index.scan import ScannedRun
from runfolio.query.index.tables import TABLES, Catalog
from runfolio.query.run import RecordedRun


class IndexDatabase:
    """SQLite database with the tables of the index."""

    def __init__(self, scanned: Sequence[ScannedRun]) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        SQLITE.prepare(self.connection)
        for statement in TABLES:
            self.connection.execute(statement)
        self.catalog = Catalog()
        self.runs = [RecordedRun(Path("/nowhere"), run) for run in scanned]
        for run, (run_path, entry, state) in zip(self.runs, scanned, strict=True):
            self._write(rows_of(run_path, entry, state, reason=run.reason))

    def folders(self, where: Sql, order: Sql) -> list[str]:
        """Return the folders of the runs for which a condition is true, in an order."""
        statement = sql("SELECT r.folder FROM runs r WHERE {} ORDER BY {}", where, order)
        rows = self.connection.execute(statement.text, statement.parameters)
        return [folder.decode() for (folder,) in rows]

    def _write(self, rows: RunRows) -> None:
        run = rows.run[0]
        self._insert("runs", rows.run)
        for table, names in vars(self.catalog).items():
            for name, *values in getattr(rows, table):
                self._insert(table, (names.setdefault(name, self._name_id(name)), run, *values))
        for tag in rows.tags:
            self._insert("tags", (tag, run))

    def _name_id(self, name: str) -> int:
        self.connection.execute("INSERT OR IGNORE INTO names (name) VALUES (?)", (name,))
        (name_id,) = self.connection.execute("SELECT name_id FROM names WHERE name = ?", (name,)).fetchone()
        return int(name_id)

    def _insert(self, table: str, row: Sequence[object]) -> None:
        marks = ", ".join("?" * len(row))
        self.connection.execute(f"INSERT INTO {table} VALUES ({marks})", row)
