"""Rows of equal size by id, in a folder that several processes fill and read at once.

Every process that adds rows writes a pair of files of its own, which only grow: `<time>-<name>.rows`, the rows one
after another, and `.index`, 32 bytes a row: its id (16 bytes), place (uint64), CRC-32C, and the CRC-32C of those 28
bytes, little-endian. An entry follows its row, so that a row counts from the moment its entry is whole: killed at any
time, a process leaves what it had finished. Of two rows of one id that of the later pair counts, which is how a
damaged one is replaced. Who reads or writes holds a shared lock on `.lock`, who removes the folder an exclusive one.
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

from runfolio.record.base.record_path import HIDDEN

try:
    import fcntl
except ImportError:  # Windows has no flock
    fcntl = None

ID_BYTES = 16
_LOCK = ".lock"
_ENTRY = struct.Struct("<16sQII")
_CHECKED_BYTES = _ENTRY.size - 4
"""So many bytes of an entry its checksum is of."""


class RowAddress(NamedTuple):
    """Where a row is."""

    shard: int
    row: int
    checksum: int


class RowStore:
    """The rows of one folder. Cheap to hand to a worker process: forked or pickled, it opens files of its own."""

    def __init__(self, folder: Path, row_bytes: int, shard_names: Sequence[str] = ()) -> None:
        """Open the folder, or make it.

        Args:
            row_bytes: Size of every row; another size belongs into another folder.
            shard_names: Of another process, whose places are to hold here too: the names of its pairs of files.

        Raises:
            OSError: It cannot be made or read.
        """
        self.folder = folder
        self.row_bytes = row_bytes
        self._let_go = weakref.finalize(self, os.close, _lock_shared(folder))
        self._shards = [_Shard(folder / f"{name}.index", row_bytes) for name in shard_names]
        self._numbers = {name: number for number, name in enumerate(shard_names)}
        self._addresses: dict[bytes, RowAddress] = {}
        self._own: _Writer | None = None
        self.refresh()

    def __reduce__(self) -> tuple[Any, ...]:
        return RowStore, (self.folder, self.row_bytes, tuple(self._numbers))

    def __contains__(self, row_id: bytes) -> bool:
        return row_id in self._addresses

    def __len__(self) -> int:
        return len(self._addresses)

    def refresh(self) -> None:
        """Take notice of what other processes have added meanwhile.

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
        """Append rows, [n, row_bytes], and take notice of them.

        Raises:
            OSError: They could not be written, or not all; those that were count.
        """
        if self._own is None or self._own.process != os.getpid():
            self._own = _Writer(self.folder)
        try:
            self._own.write(ids, rows)
        except OSError:
            self._own.remove_if_empty()
            self._own = None  # what is half written stays the end of its file
            raise
        finally:
            self.refresh()

    def addresses_of(self, ids: Iterable[bytes]) -> NDArray[np.int64]:
        """(shard, row) of each, [n, 2], for `gather`; all of them are there."""
        return np.array([self._addresses[row_id][:2] for row_id in ids], dtype=np.int64).reshape(-1, 2)

    def gather(self, addresses: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Copies of the rows at places that `addresses_of` gave: [n, row_bytes]. They are not checked."""
        rows = np.empty((len(addresses), self.row_bytes), dtype=np.uint8)
        for number in np.unique(addresses[:, 0]):
            chosen = addresses[:, 0] == number
            rows[chosen] = self._shards[number].rows[addresses[chosen, 1]]
        return rows

    def read(self, row_id: bytes) -> NDArray[np.uint8] | None:
        """A copy of a row, [row_bytes]; None where there is none or it is damaged, and so to be added again."""
        address = self._addresses.get(row_id)
        if address is None:
            return None
        row = np.array(self._shards[address.shard].rows[address.row])
        if crc32c(row.data) == address.checksum:
            return row
        del self._addresses[row_id]
        return None

    def drop_damaged(self, ids: Iterable[bytes]) -> int:
        """Read these rows; how many were damaged and are now to be added again."""
        return sum(row_id in self._addresses and self.read(row_id) is None for row_id in ids)

    def close(self) -> None:
        """Let the folder be removed by whoever needs the room."""
        self._own = None
        self._let_go()


class _Shard:
    """A pair of files as far as it is written."""

    def __init__(self, path: Path, row_bytes: int) -> None:
        self.path = path
        self._row_bytes = row_bytes
        self._read = 0
        self.rows: NDArray[np.uint8] = np.empty((0, row_bytes), dtype=np.uint8)
        """[n, row_bytes], mapped, not read."""

    def new_entries(self) -> list[tuple[bytes, int, int]]:
        """(id, row, checksum) of the whole entries since the last call."""
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
    """The pair of files that this process adds to."""

    def __init__(self, folder: Path) -> None:
        # The time comes first, so that names sort as they were begun.
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
        """Take away what a first write that failed has left."""
        if self._count == 0:
            for path in self._paths:
                path.unlink(missing_ok=True)


def _new_file(owner: object, path: Path) -> int:
    """A descriptor that is closed with its owner."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)
    weakref.finalize(owner, os.close, descriptor)
    return descriptor


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _lock_shared(folder: Path) -> int:
    """Make the folder and lock it against removal; closing the descriptor lets it go.

    Raises:
        OSError: It cannot be made or read.
    """
    while True:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = _open_lock(folder / _LOCK)
        except FileNotFoundError:  # removed in between
            continue
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a disk without locks
                fcntl.flock(descriptor, fcntl.LOCK_SH)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), (folder / _LOCK).stat()):
                with contextlib.suppress(OSError):
                    os.utime(folder / _LOCK)
                return descriptor
        os.close(descriptor)  # the folder was removed while this waited


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except FileNotFoundError:
        raise
    except OSError:
        if not path.exists():  # or the caller would try for ever to make a folder that it cannot write
            raise
        return os.open(path, os.O_RDONLY)  # a cache that may only be read


def _is_unused(descriptor: int) -> bool:
    if fcntl is None:
        return True  # that system does not let go of a file that somebody has open
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_row_store(folder: Path) -> bool:
    return (folder / _LOCK).exists()


def last_used(folder: Path) -> float:
    """When the folder was last opened, in seconds of the system's clock.

    Raises:
        OSError: It is no folder of rows.
    """
    return (folder / _LOCK).stat().st_mtime


def remove_unused(folder: Path) -> bool:
    """Remove a folder of rows unless a process has it open; whether it is gone.

    Raises:
        OSError: It cannot be removed.
    """
    with (folder / _LOCK).open("r+b") as file:
        if not _is_unused(file.fileno()):
            return False
        # Renamed first: who opens it from now on makes a new one.
        hidden_folder = folder.with_name(f"{HIDDEN}{secrets.token_hex(4)}-{folder.name}")
        folder.rename(hidden_folder)
    shutil.rmtree(hidden_folder)
    return True
