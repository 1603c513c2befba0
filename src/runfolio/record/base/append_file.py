"""Append-only files of the record."""

from __future__ import annotations

import errno
import os

from runfolio.record.base.record_path import RecordPath


class AppendFile:
    """File that only grows. After a failed write, the unwritten bytes are kept in memory for the next attempt."""

    def __init__(self, path: RecordPath, first_line: bytes) -> None:
        self.path = path
        self.size = 0
        self._waiting = bytearray(first_line)
        self._descriptor: int | None = None
        self._is_entry_synced = False
        """True if the folder entry of the file has also been flushed to the disk."""

    @property
    def waiting(self) -> int:
        """Number of bytes that could not be written yet."""
        return len(self._waiting)

    @property
    def is_lost(self) -> bool:
        """Return whether the file is lost and cannot be used any more.

        A file that was deleted while it was open is lost, because its data disappears when the file is closed. A file
        is also lost if its creation failed, but a file with this name now exists. In that case, a network disk may have
        created the file without sending a response.
        """
        if self._descriptor is None:
            return self.path.exists()
        try:
            return os.fstat(self._descriptor).st_nlink == 0
        except OSError as error:
            return error.errno == errno.ESTALE  # ESTALE: another machine deleted the file on a network disk

    def write(self, data: bytes = b"") -> None:
        """Append `data` after the pending bytes.

        Raises:
            OSError: The data could not be written completely. The remaining bytes stay pending for the next call.
        """
        self._waiting += data
        if self._descriptor is None:
            self._descriptor = self.path.create()
        while self._waiting:
            written = os.write(self._descriptor, self._waiting)
            self.size += written
            del self._waiting[:written]

    def sync(self) -> None:
        """Flush all written data to the physical disk, and also the folder entry with the file's name.

        Raises:
            OSError: The data may not be on the disk.
        """
        if self._descriptor is not None:
            os.fsync(self._descriptor)
            if not self._is_entry_synced:
                self.path.parent.sync()
                self._is_entry_synced = True

    def close(self, *, sync: bool) -> None:
        """Close the file, even if it cannot be synced.

        Raises:
            OSError: Some of the written data may not be on the disk.
        """
        if self._descriptor is None:
            return
        try:
            if sync:
                self.sync()
        finally:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)
