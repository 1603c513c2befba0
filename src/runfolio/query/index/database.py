"""SQLite database of an index: connections, transactions and version check. An index contains facts about the runs of a
store."""

from __future__ import annotations

import os
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from runfolio._version import __version__
from runfolio.query.index.tables import TABLES
from runfolio.record.base.cache_folder import create_folder, store_cache
from runfolio.record.base.layout import FORMAT

BUSY_S = 10.0
"""Maximum seconds to wait while another process writes. After that, an index in memory is used."""
_VERSION = zlib.crc32(repr((__version__, FORMAT, TABLES)).encode()) & 0x7FFFFFFF or 1
"""Digest of the table definitions and the runfolio version, stored in the file as `user_version`."""
_CACHE_KIB = 16_384
"""Maximum memory for pages of the database, in KiB per connection."""

Result = TypeVar("Result")
Action = Callable[[sqlite3.Connection], Result]


class UnusableIndex(Exception):  # noqa: N818 - not an error: the index is created again
    """Exception for a file that is damaged or is not an index of this version."""


class IndexDatabase:
    """Database in a file that several processes and threads can use at once, or in the memory of one process.

    Each thread has its own connection to a file. A connection is not used after a fork.
    """

    def __init__(self, path: Path | None) -> None:
        """Open the index, or create it.

        Args:
            path: File of the index, or None for an index in memory.

        Raises:
            UnusableIndex: The file belongs to another program.
            OSError, sqlite3.Error: The file cannot be used.
        """
        self._path = path
        self._local = threading.local()
        self._lock = threading.RLock()
        self.is_empty = False
        """True if this object created the tables and they have not been filled yet."""
        self._shared = self._connect(":memory:") if path is None else None
        self.prepare()

    def prepare(self) -> None:
        """Connect this thread, and create the tables if another process removed the file."""
        with self._connection():
            pass

    def read(self, action: Action[Result]) -> Result:
        """Call `action` with a connection that sees a consistent state of all tables, and return its result."""
        with self._connection() as connection:
            connection.execute("BEGIN")
            try:
                return action(connection)
            except sqlite3.OperationalError as error:
                if "decode to UTF-8" in str(error):
                    raise UnusableIndex from None
                raise
            finally:
                _end(connection, "ROLLBACK")

    def write(self, action: Action[Result]) -> Result:
        """Call `action` with a connection, commit all its changes in one transaction, and return its result."""
        with self._connection() as connection:
            # IMMEDIATE avoids the deadlock that occurs if two readers upgrade their locks to write locks.
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = action(connection)
                connection.execute("COMMIT")
                return result
            finally:
                _end(connection, "ROLLBACK")

    def write_with(self, other: Path, action: Action[Result]) -> Result:
        """Call `action` as `write` does, with another database of the same version attached as `part`.

        Raises:
            UnusableIndex: The other database has a different version.
        """
        with self._connection() as connection:
            connection.execute("ATTACH ? AS part", [os.fspath(other)])
            try:
                if _version_of(connection, "part") != _VERSION:
                    raise UnusableIndex
                return self.write(action)
            finally:
                connection.execute("DETACH part")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if self._shared is not None:
            with self._lock:
                yield self._shared
            return
        assert self._path is not None
        owner = (os.getpid(), _inode(self._path))
        # The owner (process and file) differs at the first use, after a fork, and after the file was replaced.
        if getattr(self._local, "owner", None) != owner:
            self._local.connection = self._connect(self._path)
            self._local.owner = (os.getpid(), _inode(self._path))
        yield self._local.connection

    def _connect(self, path: Path | str) -> sqlite3.Connection:
        connection = _connect(path)
        if _version_of(connection) != _VERSION and _create(connection):
            self.is_empty = True
        return connection


def _connect(path: Path | str) -> sqlite3.Connection:
    # Transactions start with an explicit BEGIN. WAL mode is not used. Its shared memory fails on network disks, and
    # SQLite before 3.51.3 can lose commits in this mode. Calls of fsync are turned off, since they take seconds on a
    # busy disk. A damaged index is detected and created again.
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return connection


def _end(connection: sqlite3.Connection, statement: str) -> None:
    if connection.in_transaction:
        connection.execute(statement)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _version_of(connection: sqlite3.Connection, schema: str = "main") -> int:
    return int(connection.execute(f"PRAGMA {schema}.user_version").fetchone()[0])


def _create(connection: sqlite3.Connection) -> bool:
    """Create the tables. Return False if another process has already created them."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version_of(connection) == _VERSION:
            return False
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise UnusableIndex
        for table in TABLES:
            connection.execute(table)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
        return True
    finally:
        _end(connection, "ROLLBACK")


def index_path(store: Path) -> Path | None:
    """Return the path of a store's index, or None if there is no cache folder. `store` must be an absolute path."""
    folder = store_cache(store)
    return None if folder is None else folder / "index.db"


def open_file(path: Path) -> IndexDatabase:
    """Open or create an index file and its folder (see `IndexDatabase`)."""
    create_folder(path.parent)
    return IndexDatabase(path)


def remove(path: Path) -> None:
    """Delete an index file and its SQLite journals."""
    for name in (path.name, f"{path.name}-journal", f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


def is_intact(path: Path) -> bool:
    """Return whether the structure of a database file passes SQLite's integrity check.

    Raises:
        sqlite3.Error: The file cannot be read at all.
    """
    with closing(_connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok"
