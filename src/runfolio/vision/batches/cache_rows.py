"""Store of rows in a folder. A row holds the cached values of one image and has an id. All rows of a store have the
same size.

Several processes can read and add rows at the same time. Each process that adds rows appends to its own pair of files,
called a shard. The file `<time>-<name>.rows` holds the rows. The file `<time>-<name>.index` holds one little-endian
entry of 32 bytes per row. The entry starts with the row's id (16 bytes), number in the shard (uint64) and CRC-32C
(uint32). The last four bytes are the CRC-32C of the entry's first 28 bytes. The entry is written after its row, so a
killed process leaves only complete rows. If an id occurs twice, the row in the later file is used, because the earlier
row may be damaged. Readers and writers hold a shared lock on `.lock`. Removing the folder requires an exclusive lock.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import struct
import time
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

from runfolio.record.base.cache_folder import create_folder
from runfolio.record.base.record_path import HIDDEN

try:
    import fcntl
except ImportError:  # Windows has no flock
    fcntl = None

ID_BYTES = 16
_LOCK = ".lock"
_ENTRY = struct.Struct("<16sQII")
_CHECKED_BYTES = _ENTRY.size - 4
"""Number of leading bytes of an entry that its checksum covers."""


class RowAddress(NamedTuple):
    """Address of a row: number of the shard, number of the row in the shard, and checksum. A shard is a pair of
    files."""

    shard: int
    row: int
    checksum: int


class RowStore:
    """Store for the rows of one folder. Forked worker processes can use it. It can also be pickled for a worker
    process, which then opens the files again."""

    def __init__(self, folder: Path, row_bytes: int, shard_names: Sequence[str] = ()) -> None:
        """Open the folder, and create it if necessary.

        Args:
            row_bytes: Size of each row in bytes.
            shard_names: Names of the shards (pairs of files), in the order that another process uses. Row addresses
                from the other process are then valid in this process, too.

        Raises:
            OSError: The folder cannot be created or read.
        """
        self.folder = folder
        self.row_bytes = row_bytes
        self._release = weakref.finalize(self, os.close, _lock_shared(folder))
        self._shards = [_Shard(folder / f"{name}.index", row_bytes) for name in shard_names]
        self._numbers = {name: number for number, name in enumerate(shard_names)}
        self._addresses: dict[bytes, RowAddress] = {}
        self._writer: _Writer | None = None
        self.refresh()

    def __reduce__(self) -> tuple[Any, ...]:
        return RowStore, (self.folder, self.row_bytes, tuple(self._numbers))

    def __contains__(self, row_id: bytes) -> bool:
        return row_id in self._addresses

    def __len__(self) -> int:
        return len(self._addresses)

    def refresh(self) -> None:
        """Read the entries that this process or other processes have added since the last call.

        Raises:
            OSError: The folder cannot be read.
        """
        for path in sorted(self.folder.glob("*.index")):
            number = self._numbers.setdefault(path.stem, len(self._shards))
            if number == len(self._shards):
                self._shards.append(_Shard(path, self.row_bytes))
            for row_id, row, checksum in self._shards[number].new_entries():
                earlier = self._addresses.get(row_id)
                if earlier is None or self._shards[earlier.shard].path.stem <= path.stem:
                    self._addresses[row_id] = RowAddress(number, row, checksum)

    def add(self, ids: Sequence[bytes], rows: NDArray[np.uint8]) -> None:
        """Append rows, [n, row_bytes].

        Raises:
            OSError: Not all rows could be written. The rows that were written remain valid.
        """
        if self._writer is None or self._writer.process != os.getpid():
            self._writer = _Writer(self.folder)
        try:
            self._writer.write(ids, rows)
        except OSError:
            self._writer.remove_if_empty()
            self._writer = None  # the next row goes into a new file, because this file may end with a partial row
            raise
        finally:
            self.refresh()

    def addresses_of(self, ids: Iterable[bytes]) -> NDArray[np.int64]:
        """Return the shard and row number of each id, [n, 2], as addresses for `gather`. All ids must be in the
        store."""
        return np.array([self._addresses[row_id][:2] for row_id in ids], dtype=np.int64).reshape(-1, 2)

    def gather(self, addresses: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return copies of rows, [n, row_bytes], without verifying their checksums.

        Args:
            addresses: Addresses returned by `addresses_of`.
        """
        rows = np.empty((len(addresses), self.row_bytes), dtype=np.uint8)
        for number in np.unique(addresses[:, 0]):
            chosen = addresses[:, 0] == number
            rows[chosen] = self._shards[number].rows[addresses[chosen, 1]]
        return rows

    def read(self, row_id: bytes) -> NDArray[np.uint8] | None:
        """Return a copy of a row, [row_bytes], or None if the row is missing or damaged. A damaged row is dropped."""
        address = self._addresses.get(row_id)
        if address is None:
            return None
        row = np.array(self._shards[address.shard].rows[address.row])
        if crc32c(row.data) == address.checksum:
            return row
        del self._addresses[row_id]
        return None

    def drop_damaged(self, ids: Iterable[bytes]) -> int:
        """Verify rows, and drop damaged rows, which can then be added again. Return the number of dropped rows."""
        return sum(row_id in self._addresses and self.read(row_id) is None for row_id in ids)

    def close(self) -> None:
        """Release the lock on the folder. Other processes can then remove the folder."""
        self._writer = None
        self._release()


class _Shard:
    """Reader of one shard, a pair of files with rows and their index."""

    def __init__(self, path: Path, row_bytes: int) -> None:
        self.path = path
        self._row_bytes = row_bytes
        self._read = 0
        self.rows: NDArray[np.uint8] = np.empty((0, row_bytes), dtype=np.uint8)
        """Memory-mapped rows, [n, row_bytes]."""

    def new_entries(self) -> list[tuple[bytes, int, int]]:
        """Return the id, row number and checksum of each entry that was completed since the last call."""
        if self.path.stat().st_size < self._read + _ENTRY.size:
            return []
        with self.path.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        data = data[: len(data) // _ENTRY.size * _ENTRY.size]
        self._read += len(data)
        self._map()
        return [
            (row_id, row, checksum)
            for start, (row_id, row, checksum, own_checksum) in enumerate(_ENTRY.iter_unpack(data))
            if row < len(self.rows)
            and crc32c(data[start * _ENTRY.size : start * _ENTRY.size + _CHECKED_BYTES]) == own_checksum
        ]

    def _map(self) -> None:
        path = self.path.with_suffix(".rows")
        count = path.stat().st_size // self._row_bytes if path.exists() else 0
        if count > len(self.rows):
            self.rows = np.memmap(path, dtype=np.uint8, mode="r", shape=(count, self._row_bytes))


class _Writer:
    """Shard (pair of files) that this process appends rows to."""

    def __init__(self, folder: Path) -> None:
        # Each name starts with the time, so names sort by creation time.
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        self.process = os.getpid()
        self._paths = [folder / f"{name}.rows", folder / f"{name}.index"]
        self._rows, self._index = (_new_file(self, path) for path in self._paths)
        self._count = 0

    def write(self, ids: Sequence[bytes], rows: NDArray[np.uint8]) -> None:
        rows = np.ascontiguousarray(rows)
        _write_all(self._rows, rows.data.cast("B"))
        entries = bytearray()
        for row_id, row in zip(ids, rows, strict=True):
            entry = struct.pack("<16sQI", row_id, self._count, crc32c(row.data))
            entries += entry + struct.pack("<I", crc32c(entry))
            self._count += 1
        _write_all(self._index, memoryview(entries))

    def remove_if_empty(self) -> None:
        """Remove the files of the shard if the first write failed and they contain no complete rows."""
        if self._count == 0:
            for path in self._paths:
                path.unlink(missing_ok=True)


def _new_file(owner: object, path: Path) -> int:
    """Create a file, and return a descriptor that is closed when the owner is garbage-collected."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)
    weakref.finalize(owner, os.close, descriptor)
    return descriptor


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _lock_shared(folder: Path) -> int:
    """Create the folder and lock it against removal. Closing the returned descriptor releases the lock.

    Raises:
        OSError: The folder cannot be created or read.
    """
    while True:
        create_folder(folder)
        try:
            descriptor = _open_lock(folder / _LOCK)
        except FileNotFoundError:  # another process has removed the folder
            continue
        if fcntl is not None:
            with contextlib.suppress(OSError):  # the file system may not support locks
                fcntl.flock(descriptor, fcntl.LOCK_SH)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), (folder / _LOCK).stat()):
                with contextlib.suppress(OSError):
                    os.utime(folder / _LOCK)
                return descriptor
        os.close(descriptor)  # the folder was removed before the lock was acquired


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except FileNotFoundError:
        raise
    except OSError:
        if not path.exists():  # the folder is new and not writable
            raise
        return os.open(path, os.O_RDONLY)  # the cache is read-only


def _is_unused(descriptor: int) -> bool:
    if fcntl is None:
        return True  # Windows does not remove open files
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_row_store(folder: Path) -> bool:
    return (folder / _LOCK).exists()


def last_used(folder: Path) -> float:
    """Return the time at which the folder was last opened, as a Unix timestamp in seconds.

    Raises:
        OSError: The folder is not a row store.
    """
    return (folder / _LOCK).stat().st_mtime


def remove_unused(folder: Path) -> bool:
    """Remove a row store unless a process has it open, and return whether it was removed.

    Raises:
        OSError: The folder cannot be removed.
    """
    with (folder / _LOCK).open("r+b") as file:
        if not _is_unused(file.fileno()):
            return False
        # After the rename, a process that opens the folder creates a new folder.
        hidden_folder = folder.with_name(f"{HIDDEN}{secrets.token_hex(4)}-{folder.name}")
        folder.rename(hidden_folder)
    shutil.rmtree(hidden_folder)
    return True
