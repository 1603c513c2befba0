"""Index of a store. It stores the results of the last scan in SQLite. Tables and filters read the index, not the runs.

The index is only a cache of the run folders. If its file is damaged, has another version or belongs to another program,
the file is deleted and filled again. If no file can be used, the index is kept in memory. The user sees no message in
these cases.
"""

from __future__ import annotations

import math
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

import orjson

from runfolio.errors import NotFound, RunfolioError
from runfolio.query.index import database
from runfolio.query.index.database import Action, IndexDatabase, Result, UnusableIndex
from runfolio.query.index.entries import Entry, ScannedRun, SeenHeartbeat, Sighting
from runfolio.query.index.rows import metric_rows, rows_of, run_key
from runfolio.query.index.tables import METRIC_COLUMNS, RUN_COLUMNS, TABLES_OF_RUN, Catalog, ValueTable
from runfolio.record.base.run_document import RunDocument
from runfolio.record.content.run_edits import EditedValues
from runfolio.record.points.metric_summary import MetricSummary

Filled = TypeVar("Filled")
_METRICS_OF_RUN = f"""
    SELECT name, {", ".join(f"metrics.{column}" for column in METRIC_COLUMNS)}
    FROM metrics JOIN names USING (name_id) WHERE run = ?"""  # noqa: S608 - names of our own
_SPARKLINES_OF_RUN = "SELECT name, buckets FROM sparklines JOIN names USING (name_id) WHERE run = ?"

# Each step looks up the next name, so it skips all rows of the previous name.
_NAMES_OF_STORE = """
    WITH RECURSIVE used (name_id) AS (
        SELECT min(name_id) FROM {0}
        UNION ALL
        SELECT (SELECT min(name_id) FROM {0} WHERE name_id > used.name_id) FROM used WHERE name_id IS NOT NULL)
    SELECT name_id FROM used WHERE name_id IS NOT NULL"""
_NAMES_OF_EXPERIMENT = "SELECT DISTINCT name_id FROM runs JOIN {0} USING (run) WHERE experiment = ?"


class StoreIndex(Generic[Filled]):
    """Access to the index of one store. A damaged file is created again. If that fails, the index is kept in memory.

    Args:
        store: Folder of the store.
        fill: Function that scans the store and fills an empty index.
        fill_first: Fill an empty index before it is read. If False, an empty index has no runs until `scan` is called.
    """

    def __init__(self, store: Path, fill: Callable[[IndexDatabase], Filled], *, fill_first: bool = True) -> None:
        self._path = database.index_path(store)
        self._fill = fill
        self._fill_first = fill_first
        self._database: IndexDatabase | None = None
        self._is_in_memory = False

    def read(self, action: Action[Result]) -> Result:
        """Call `action` with a connection, as `IndexDatabase.read` does. The action may be called a second time."""
        return self.use(lambda index: index.read(action))

    def scan(self) -> Filled:
        """Scan the store, update the index, and return the result of `fill`."""
        return self._retry(self._filled)

    def use(self, action: Callable[[IndexDatabase], Result]) -> Result:
        """Return `action(database)`. If the database fails, the action is called again with a new database."""

        def act(index: IndexDatabase) -> Result:
            if index.is_empty and self._fill_first:
                self._filled(index)
            return action(index)

        return self._retry(act)

    def _filled(self, index: IndexDatabase) -> Filled:
        result = self._fill(index)
        index.is_empty = False
        return result

    def _retry(self, action: Callable[[IndexDatabase], Result]) -> Result:
        for _ in range(2):
            if self._is_in_memory or self._path is None:
                break
            try:
                return self._attempt(action)
            except (OSError, sqlite3.OperationalError):
                break  # the disk is read-only or full, or a lock is never released
            except (sqlite3.Error, UnicodeError, UnusableIndex):  # SQLite's messages can contain invalid UTF-8
                self._database = None
                database.remove(self._path)
        if not self._is_in_memory:
            self._is_in_memory, self._database = True, None
        return self._attempt(action)

    def clear(self) -> None:
        """Delete the index. All runs are then read again at the next use."""
        self._database = None
        if self._path is not None and not self._is_in_memory:
            with suppress(OSError):
                database.remove(self._path)

    def _attempt(self, action: Callable[[IndexDatabase], Result]) -> Result:
        if self._database is None:
            path = None if self._is_in_memory else self._path
            self._database = IndexDatabase(None) if path is None else database.open_file(path)
        self._database.prepare()
        return action(self._database)


def read_sightings(connection: sqlite3.Connection) -> dict[str, Sighting]:
    """Return the result of each run's last scan, keyed by the run's folder relative to the store."""
    rows = connection.execute("SELECT folder, signature, stamp, state, reason FROM runs")
    return {os.fsdecode(folder): Sighting(*rest) for folder, *rest in rows}


def read_beats(connection: sqlite3.Connection) -> dict[str, SeenHeartbeat]:
    """Return the last known heartbeat of each process that writes to a run, keyed by the id of this writer.

    Raises:
        UnusableIndex: A heartbeat is not a number.
    """
    rows = connection.execute("SELECT * FROM beats").fetchall()
    try:
        return {os.fsdecode(writer): SeenHeartbeat(int(beat), float(seen_at)) for writer, beat, seen_at in rows}
    except (TypeError, ValueError):
        raise UnusableIndex from None


def read_catalog(connection: sqlite3.Connection, experiment: str | None = None) -> Catalog:
    """Return the names of settings, results, metrics and data that the runs of the store or of one experiment use."""
    names = dict(connection.execute("SELECT name_id, name FROM names"))
    query, parameters = (_NAMES_OF_STORE, []) if experiment is None else (_NAMES_OF_EXPERIMENT, [experiment])
    return Catalog(
        *(
            {names[name_id]: name_id for (name_id,) in connection.execute(query.format(table), parameters)}
            for table in get_args(ValueTable)
        )
    )


def read_entry(connection: sqlite3.Connection, key: int) -> Entry:
    """Return the content of one run.

    Raises:
        NotFound: The index no longer has this run.
        UnusableIndex: The rows of the run were changed, for example by a damaged disk.
    """
    row = connection.execute(
        "SELECT document, edits, problems, checksum FROM documents WHERE run = ?", [key]
    ).fetchone()
    if row is None:
        raise NotFound("the run was removed from the store after it was listed; call `folio.runs()` again")
    *texts, checksum = row
    metrics = connection.execute(_METRICS_OF_RUN, [key]).fetchall()
    sparklines = connection.execute(_SPARKLINES_OF_RUN, [key]).fetchall()
    try:
        if checksum != _checksum(texts, metrics, sparklines):
            raise UnusableIndex
        document, edits, problems = texts
        return Entry(
            RunDocument.from_decoded(orjson.loads(document)),
            EditedValues(**orjson.loads(edits)),
            {name: summary_of(*numbers) for name, *numbers in metrics},
            dict(sparklines),
            tuple(orjson.loads(problems)),
        )
    except (KeyError, TypeError, ValueError, RunfolioError):
        raise UnusableIndex from None


def summary_of(*numbers: Any) -> MetricSummary:
    """Return the metric summary in a row of `metrics`. NULL means NaN."""
    return MetricSummary(*map(_with_nan, numbers)) if None in numbers else MetricSummary(*numbers)


def _with_nan(number: Any) -> Any:
    return math.nan if number is None else number


def write_scan(
    index: IndexDatabase,
    runs: Sequence[ScannedRun],
    removed: Iterable[str] = (),
    beats: Mapping[str, SeenHeartbeat] | None = None,
) -> None:
    """Replace the rows of `runs`, delete the rows of removed runs, and replace the heartbeats unless they are None."""

    def write(connection: sqlite3.Connection) -> None:
        stale = [(run_key(run_path),) for run_path in [*(run.run_path for run in runs), *removed]]
        for table in ("runs", "documents", *TABLES_OF_RUN):
            connection.executemany(f"DELETE FROM {table} WHERE run = ?", stale)  # noqa: S608 - names of our own
        _write_runs(connection, runs)
        if beats is not None:
            connection.execute("DELETE FROM beats")
            _insert(connection, "beats", [(os.fsencode(writer), *beat) for writer, beat in beats.items()])

    index.write(write)


def _write_runs(connection: sqlite3.Connection, runs: Sequence[ScannedRun]) -> None:
    rows = [rows_of(run) for run in runs]
    ids = _intern(connection, list(dict.fromkeys(name for run in rows for name in run.names())))
    _insert(connection, "runs", sorted(run.run for run in rows))
    _insert(
        connection,
        "documents",
        [(run.key, *_document_row(scanned.entry)) for run, scanned in zip(rows, runs, strict=True)],
    )
    for table in TABLES_OF_RUN:  # rows in the order of the primary key fill one page after the other
        _insert(connection, table, sorted(chain.from_iterable(run.of_table(table, ids) for run in rows)))


def _intern(connection: sqlite3.Connection, names: Sequence[str]) -> dict[str, int]:
    """Return the id of each name. New names get ids in the given order."""
    connection.executemany("INSERT OR IGNORE INTO names (name) VALUES (?)", ((name,) for name in names))
    select = "SELECT name_id FROM names WHERE name = ?"
    return {name: connection.execute(select, [name]).fetchone()[0] for name in names}


def _document_row(entry: Entry) -> tuple[Any, ...]:
    texts = [orjson.dumps(part) for part in (entry.document.to_json(), entry.edits, entry.problems)]
    return (*texts, _checksum(texts, metric_rows(entry), entry.sparklines.items()))


def _checksum(texts: Sequence[bytes], metrics: Sequence[Sequence[Any]], sparklines: Iterable[tuple[str, bytes]]) -> int:
    """Return the CRC-32 of a run's document, edits, problems, metric rows and sparklines.

    The order of the rows and of the sparklines does not matter.
    """
    ordered = sorted(list(row) for row in metrics)  # names are unique
    outlines = (part for name, buckets in sorted(sparklines) for part in (name.encode(), buckets))
    return zlib.crc32(b"\0".join((*texts, orjson.dumps(ordered), *outlines)))


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - names of our own


def is_damaged(path: Path) -> bool:
    """Return whether an index file exists and is damaged. A file of another version does not count as damaged."""
    if not path.exists():
        return False
    try:
        index = database.open_file(path)
    except (OSError, sqlite3.OperationalError, UnusableIndex):  # the file is busy, unreadable, or of another version
        return False
    except (sqlite3.Error, UnicodeError):
        return True
    try:
        index.read(_check)
    except sqlite3.OperationalError:
        return False
    except (sqlite3.Error, UnicodeError, UnusableIndex):
        return True
    return not database.is_intact(path)


def _check(connection: sqlite3.Connection) -> None:
    """Compare all rows of each run with the run's document, which has a checksum.

    Raises:
        UnusableIndex: The rows and the document differ.
    """
    read_beats(connection)
    names = dict(connection.execute("SELECT name, name_id FROM names"))
    for row in connection.execute("SELECT * FROM runs").fetchall():
        sighting = dict(zip(RUN_COLUMNS, row, strict=True))
        run_path = os.fsdecode(sighting["folder"])
        try:
            entry = read_entry(connection, sighting["run"])
            facts = (sighting[name] for name in ("state", "signature", "stamp", "reason"))
            expected = rows_of(ScannedRun(run_path, Path(run_path), entry, *facts))
            tables = {table: expected.of_table(table, names) for table in TABLES_OF_RUN}
        except (NotFound, KeyError):
            raise UnusableIndex from None
        if expected.run != row or any(
            set(rows) != set(connection.execute(f"SELECT * FROM {table} WHERE run = ?", [expected.key]))  # noqa: S608 - our names
            for table, rows in tables.items()
        ):
            raise UnusableIndex
