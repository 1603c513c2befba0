"""Merge of the databases of a parallel scan into the index."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from runfolio.query.index.database import IndexDatabase
from runfolio.query.index.tables import TABLES_OF_RUN

_NAMES = "INSERT OR IGNORE INTO names (name) SELECT name FROM part.names ORDER BY name_id"
_NAMED_ROWS = """
    INSERT INTO {table} SELECT n.name_id, {columns}
    FROM part.{table} p JOIN part.names o USING (name_id) JOIN main.names n USING (name) ORDER BY n.name_id, p.run"""


def merge_part(index: IndexDatabase, part: Path) -> None:
    """Add all runs of another database to the index. Rows that the index already has for these runs are replaced."""
    index.write_with(part, _merge)


def _merge(connection: sqlite3.Connection) -> None:
    connection.execute(_NAMES)
    for table in ("runs", "documents", *TABLES_OF_RUN):
        connection.execute(f"DELETE FROM {table} WHERE run IN (SELECT run FROM part.runs)")  # noqa: S608 - our own names
        columns = [column for column, *_ in connection.execute(f"SELECT * FROM {table} LIMIT 0").description]  # noqa: S608
        if columns[0] == "name_id":
            rest = ", ".join(f"p.{column}" for column in columns[1:])
            connection.execute(_NAMED_ROWS.format(table=table, columns=rest))
        else:
            connection.execute(f"INSERT INTO {table} SELECT * FROM part.{table}")  # noqa: S608
    connection.execute("INSERT OR REPLACE INTO beats SELECT * FROM part.beats")
