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
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Float,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    bindparam,
    create_engine,
    delete,
    event,
    insert,
    select,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

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

# Folders are bytes, since file names need not be UTF-8. NaN is NULL, since SQLite has no NaN.
_tables = MetaData()
_runs = Table(
    "runs",
    _tables,
    Column("folder", LargeBinary, primary_key=True),
    Column("signature", Text, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("edits", LargeBinary, nullable=False),
    Column("problems", LargeBinary, nullable=False),
    Column("checksum", BigInteger, nullable=False),  # SQLite does not detect flipped bits
)
_metrics = Table(
    "metrics",
    _tables,
    Column("folder", LargeBinary, primary_key=True),
    Column("metric", Text, primary_key=True),
    *(
        Column(entry.name, Float if entry.name in ("last", "min", "max", "mean") else BigInteger)
        for entry in fields(MetricSummary)
    ),
)
_beats = Table(
    "beats",
    _tables,
    Column("writer", LargeBinary, primary_key=True),
    Column("beat", BigInteger, nullable=False),
    Column("seen_at", Float, nullable=False),
)
_VERSION = (
    zlib.crc32(repr((__version__, FORMAT, [(t.name, t.columns.keys()) for t in _tables.sorted_tables])).encode())
    & 0x7FFFFFFF
    or 1
)
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

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with engine.connect() as connection:
            if _version_of(connection) != _VERSION:
                _create(connection)

    def entries(self) -> dict[str, Entry]:
        with self._reading() as connection:
            runs = connection.execute(select(_runs)).all()
            metrics: dict[bytes, list[Sequence[Any]]] = {folder: [] for folder, *_ in runs}
            for folder, *numbers in connection.execute(select(_metrics)).all():
                metrics[folder].append(numbers)
            return {os.fsdecode(row.folder): _entry(row, metrics[row.folder]) for row in runs}

    def beats(self) -> dict[str, SeenHeartbeat]:
        with self._reading() as connection:
            rows = connection.execute(select(_beats)).all()
            return {os.fsdecode(writer): SeenHeartbeat(int(beat), float(seen_at)) for writer, beat, seen_at in rows}

    def update(self, changed: dict[str, Entry], removed: Iterable[str], beats: dict[str, SeenHeartbeat] | None) -> None:
        stale = [{"stale": os.fsencode(folder)} for folder in [*changed, *removed]]
        with self._engine.connect() as connection:
            # IMMEDIATE avoids the deadlock of two readers that upgrade their lock to a write lock.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            if stale:
                for table in (_runs, _metrics):
                    connection.execute(delete(table).where(table.c.folder == bindparam("stale")), stale)
            if changed:
                connection.execute(insert(_runs), [_run_row(*item) for item in changed.items()])
            if rows := [row for item in changed.items() for row in _metric_rows(*item)]:
                connection.execute(insert(_metrics), rows)
            if beats is not None:
                connection.execute(delete(_beats))
                if rows := [
                    {"writer": os.fsencode(writer), "beat": beat.beat, "seen_at": beat.seen_at}
                    for writer, beat in beats.items()
                ]:
                    connection.execute(insert(_beats), rows)
            connection.commit()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Give a consistent view of all tables. Content that cannot be parsed means that the file is damaged."""
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("BEGIN")
                yield connection
        except (KeyError, TypeError, ValueError, RunfolioError):
            raise _Unusable from None


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
            except (OSError, OperationalError, _Unusable):
                # No cache folder, a disk that is read-only or full, or a lock that is never released.
                self._memory = MemoryIndex()
        return action(self._memory)

    def _use_file(self, action: Callable[[Index], Result]) -> Result:
        if self._path is None:
            raise _Unusable
        try:
            return action(_open(self._path))
        except OperationalError:
            raise
        except (DBAPIError, UnicodeError, _Unusable):  # messages of SQLite can contain invalid UTF-8
            remove(self._path)
        try:
            return action(_open(self._path))
        except DBAPIError:
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
    except (OperationalError, _Unusable):  # busy, unreadable, or of another version
        return False
    except (DBAPIError, UnicodeError):
        return True
    try:
        index.entries()
        index.beats()
    except OperationalError:
        return False
    except (DBAPIError, UnicodeError, _Unusable):
        return True
    return False


def remove(path: Path) -> None:
    """Delete an index file and the journals of SQLite."""
    for name in (path.name, f"{path.name}-journal", f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


def _open(path: Path) -> FileIndex:
    create_folder(path.parent)
    # The rollback journal, since WAL needs shared memory, which fails on network disks.
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_S, "isolation_level": None},  # transactions start with an explicit BEGIN
        poolclass=NullPool,
    )
    event.listen(engine, "connect", _without_fsync)
    return FileIndex(engine)


def _without_fsync(connection: sqlite3.Connection, _: object) -> None:
    """Disable fsync, which takes seconds on a busy disk. A damaged index is detected and created again."""
    connection.execute("PRAGMA synchronous = OFF")


def _version_of(connection: Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def _create(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    if _version_of(connection) == _VERSION:  # another process created it
        connection.rollback()
        return
    if connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one():
        connection.rollback()
        raise _Unusable
    _tables.create_all(connection)
    connection.exec_driver_sql(f"PRAGMA user_version = {_VERSION}")
    connection.commit()


def _entry(run: Row[Any], metrics: Sequence[Sequence[Any]]) -> Entry:
    if run.checksum != _checksum([run.document, run.edits, run.problems], metrics):
        raise _Unusable
    return Entry(
        run.signature,
        RunDocument.from_decoded(orjson.loads(run.document)),
        EditedValues(**orjson.loads(run.edits)),
        {metric: _summary(numbers) for metric, *numbers in metrics},
        tuple(orjson.loads(run.problems)),
    )


def _summary(numbers: Sequence[Any]) -> MetricSummary:
    if None in numbers:
        numbers = [math.nan if number is None else number for number in numbers]
    return MetricSummary(*numbers)


def _run_row(folder: str, entry: Entry) -> dict[str, Any]:
    texts = {
        "document": orjson.dumps(entry.document.to_json()),
        "edits": orjson.dumps(entry.edits),
        "problems": orjson.dumps(entry.problems),
    }
    metrics = [list(row.values())[1:] for row in _metric_rows(folder, entry)]
    return {
        "folder": os.fsencode(folder),
        "signature": entry.signature,
        **texts,
        "checksum": _checksum([*texts.values()], metrics),
    }


def _metric_rows(folder: str, entry: Entry) -> list[dict[str, Any]]:
    return [
        {"folder": os.fsencode(folder), "metric": metric, **_without_nan(asdict(summary))}
        for metric, summary in entry.metrics.items()
    ]


def _without_nan(numbers: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value != value else value for name, value in numbers.items()}


def _checksum(texts: Sequence[bytes], metrics: Sequence[Sequence[Any]]) -> int:
    """Return the CRC-32 of a run's document, edits, problems and metric rows; the order of the rows does not matter."""
    ordered = sorted(list(row) for row in metrics)  # by name, which is unique
    return zlib.crc32(b"\0".join((*texts, orjson.dumps(ordered))))
