"""Index of a store: the results of the last scan in SQLite, so that the next scan reads only changed runs.

The index is only a cache of the run folders. A file that is damaged, foreign or of another version is deleted and
created again. If no file can be used, the index is in memory. The user is not informed.
"""

from __future__ import annotations

import hashlib
import math
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import orjson

from runfolio._version import __version__
from runfolio.errors import RunfolioError
from runfolio.record.base.cache_folder import cache_folder, create_folder
from runfolio.record.base.layout import FORMAT
from runfolio.record.base.run_document import RunDocument
from runfolio.record.content.run_edits import EditedValues
from runfolio.record.points.metric_summary import MetricSummary

BUSY_S = 10.0
"""Seconds to wait for the write of another process before using an index in memory."""

Result = TypeVar("Result")

_METRIC_COLUMNS = [entry.name for entry in fields(MetricSummary)]
# Folders are bytes, since file names need not be UTF-8. NaN is NULL, since SQLite has no NaN. The checksum is there
# because SQLite does not detect flipped bits.
_TABLES = (
    """CREATE TABLE runs (folder BLOB PRIMARY KEY, signature TEXT NOT NULL, document BLOB NOT NULL, edits BLOB NOT NULL,
    problems BLOB NOT NULL, checksum INTEGER NOT NULL)""",
    f"CREATE TABLE metrics (folder BLOB, metric TEXT, {', '.join(_METRIC_COLUMNS)}, PRIMARY KEY (folder, metric))",
    "CREATE TABLE beats (writer BLOB PRIMARY KEY, beat INTEGER NOT NULL, seen_at REAL NOT NULL)",
)
_VERSION = zlib.crc32(repr((__version__, FORMAT, _TABLES)).encode()) & 0x7FFFFFFF or 1
"""Digest of the tables and of the version of runfolio, stored in the file as `user_version`."""


@dataclass(frozen=True)
class Entry:
    """Indexed content of one run."""

    signature: str
    """Digest that changes if a file of the run changes."""
    document: RunDocument
    edits: EditedValues = field(default_factory=EditedValues)
    """Values of edits, which take precedence over the document (see `run_edits`)."""
    metrics: dict[str, MetricSummary] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    """Descriptions of unreadable parts, one line each."""


class SeenHeartbeat(NamedTuple):
    """Heartbeat that a reader on this machine saw."""

    beat: int
    seen_at: float
    """Time at which the beat was first seen, in seconds of the clock `steady`."""


class Index(Protocol):
    """Results of an earlier scan. Runs are keyed by their folder, relative to the store."""

    def entries(self) -> dict[str, Entry]: ...

    def beats(self) -> dict[str, SeenHeartbeat]: ...

    def update(self, changed: dict[str, Entry], removed: Iterable[str], beats: dict[str, SeenHeartbeat] | None) -> None:
        """Replace the changed entries, delete the removed ones, and replace the beats unless they are None."""
        ...


class MemoryIndex:
    """Index in memory."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._beats: dict[str, SeenHeartbeat] = {}

    def entries(self) -> dict[str, Entry]:
        return dict(self._entries)

    def beats(self) -> dict[str, SeenHeartbeat]:
        return dict(self._beats)

    def update(self, changed: dict[str, Entry], removed: Iterable[str], beats: dict[str, SeenHeartbeat] | None) -> None:
        self._entries.update(changed)
        for folder in removed:
            self._entries.pop(folder, None)
        if beats is not None:
            self._beats = dict(beats)


class FileIndex:
    """Index in a SQLite file that several processes can use at once. Updates are atomic."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._connected() as connection:
            if _version_of(connection) != _VERSION:
                _create(connection)

    def entries(self) -> dict[str, Entry]:
        with self._reading() as connection:
            runs = connection.execute("SELECT * FROM runs").fetchall()
            metrics: dict[bytes, list[Sequence[Any]]] = {folder: [] for folder, *_ in runs}
            for folder, *numbers in connection.execute("SELECT * FROM metrics"):
                metrics[folder].append(numbers)
            return {os.fsdecode(folder): _entry(row, metrics[folder]) for folder, *row in runs}

    def beats(self) -> dict[str, SeenHeartbeat]:
        with self._reading() as connection:
            rows = connection.execute("SELECT * FROM beats").fetchall()
            return {os.fsdecode(writer): SeenHeartbeat(int(beat), float(seen_at)) for writer, beat, seen_at in rows}

    def update(self, changed: dict[str, Entry], removed: Iterable[str], beats: dict[str, SeenHeartbeat] | None) -> None:
        stale = [(os.fsencode(folder),) for folder in [*changed, *removed]]
        with self._connected() as connection:
            # IMMEDIATE avoids the deadlock of two readers that upgrade their lock to a write lock.
            connection.execute("BEGIN IMMEDIATE")
            for table in ("runs", "metrics"):
                connection.executemany(f"DELETE FROM {table} WHERE folder = ?", stale)  # noqa: S608 - our own names
            for folder, entry in changed.items():
                metric_rows = _metric_rows(entry)
                _insert(connection, "runs", [(os.fsencode(folder), *_run_row(entry, metric_rows))])
                _insert(connection, "metrics", [(os.fsencode(folder), *row) for row in metric_rows])
            if beats is not None:
                connection.execute("DELETE FROM beats")
                _insert(connection, "beats", [(os.fsencode(writer), *beat) for writer, beat in beats.items()])
            connection.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Give a consistent view of all tables. Content that cannot be parsed means that the file is damaged."""
        try:
            with self._connected() as connection:
                connection.execute("BEGIN")
                yield connection
        except (KeyError, TypeError, ValueError, RunfolioError):
            raise _Unusable from None
        except sqlite3.OperationalError as error:
            if "decode to UTF-8" in str(error):
                raise _Unusable from None
            raise

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        # Transactions start with an explicit BEGIN. The rollback journal, since WAL needs shared memory, which fails on
        # network disks. No fsync, which takes seconds on a busy disk: a damaged index is detected and created again.
        with closing(sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            yield connection


class StoreIndex:
    """Access to the index of one store, with a fallback if its file cannot be used."""

    def __init__(self, store: Path) -> None:
        self._path = index_path(store)
        self._memory: MemoryIndex | None = None

    def use(self, action: Callable[[Index], Result]) -> Result:
        """Return `action(index)`. It may be called again with an empty index if the file turns out unusable."""
        if self._memory is None:
            try:
                return self._use_file(action)
            except (OSError, sqlite3.OperationalError, _Unusable):
                # No cache folder, a disk that is read-only or full, or a lock that is never released.
                self._memory = MemoryIndex()
        return action(self._memory)

    def _use_file(self, action: Callable[[Index], Result]) -> Result:
        if self._path is None:
            raise _Unusable
        try:
            return action(_open(self._path))
        except sqlite3.OperationalError:
            raise
        except (sqlite3.Error, UnicodeError, _Unusable):  # messages of SQLite can contain invalid UTF-8
            remove(self._path)
        try:
            return action(_open(self._path))
        except sqlite3.Error:
            raise _Unusable from None


class _Unusable(Exception):  # noqa: N818 - not an error: the index is created again
    """Raised if the file is damaged or not an index of this version."""


def index_path(store: Path) -> Path | None:
    """Return the index file of a store (an absolute path); None if there is no cache folder."""
    if not (cache := cache_folder()):
        return None
    digest = hashlib.sha256(os.fsencode(store)).hexdigest()[:32]
    return cache / digest / "index.db"


def is_damaged(path: Path) -> bool:
    """Return whether an index file exists and is damaged. A file of another version does not count as damaged."""
    if not path.exists():
        return False
    try:
        index = _open(path)
    except (sqlite3.OperationalError, _Unusable):  # busy, unreadable, or of another version
        return False
    except (sqlite3.Error, UnicodeError):
        return True
    try:
        index.entries()
        index.beats()
    except sqlite3.OperationalError:
        return False
    except (sqlite3.Error, UnicodeError, _Unusable):
        return True
    return False


def remove(path: Path) -> None:
    """Delete an index file and the journals of SQLite."""
    for name in (path.name, f"{path.name}-journal", f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


def _open(path: Path) -> FileIndex:
    create_folder(path.parent)
    return FileIndex(path)


def _version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if _version_of(connection) == _VERSION:  # another process created it
        connection.execute("ROLLBACK")
        return
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        connection.execute("ROLLBACK")
        raise _Unusable
    for table in _TABLES:
        connection.execute(table)
    connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - names of our own


def _entry(row: Sequence[Any], metrics: Sequence[Sequence[Any]]) -> Entry:
    signature, document, edits, problems, checksum = row
    if checksum != _checksum([document, edits, problems], metrics):
        raise _Unusable
    return Entry(
        signature,
        RunDocument.from_decoded(orjson.loads(document)),
        EditedValues(**orjson.loads(edits)),
        {metric: _summary(numbers) for metric, *numbers in metrics},
        tuple(orjson.loads(problems)),
    )


def _summary(numbers: Sequence[Any]) -> MetricSummary:
    if None in numbers:
        numbers = [math.nan if number is None else number for number in numbers]
    return MetricSummary(*numbers)


def _run_row(entry: Entry, metrics: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
    texts = [orjson.dumps(part) for part in (entry.document.to_json(), entry.edits, entry.problems)]
    return (entry.signature, *texts, _checksum(texts, metrics))


def _metric_rows(entry: Entry) -> list[list[Any]]:
    return [[metric, *map(_without_nan, astuple(summary))] for metric, summary in entry.metrics.items()]


def _without_nan(number: float) -> float | None:
    return None if number != number else number


def _checksum(texts: Sequence[bytes], metrics: Sequence[Sequence[Any]]) -> int:
    """Return the CRC-32 of a run's document, edits, problems and metric rows; the order of the rows does not matter."""
    ordered = sorted(list(row) for row in metrics)  # by name, which is unique
    return zlib.crc32(b"\0".join((*texts, orjson.dumps(ordered))))
