"""Files of the record that only grow."""

from __future__ import annotations

import errno
import os

from runfolio.record.base.record_path import RecordPath


class AppendFile:
    """A file that only grows. A failed write is kept, from the very byte where it stopped, for the next try."""

    def __init__(self, path: RecordPath, first_line: bytes) -> None:
        self.path = path
        self.size = 0
        self._waiting = bytearray(first_line)
        self._descriptor: int | None = None
        self._is_entry_synced = False
        """Whether the folder's entry for it is on the disk too."""

    @property
    def waiting(self) -> int:
        """Bytes that could not be written yet."""
        return len(self._waiting)

    @property
    def is_lost(self) -> bool:
        """Whether it cannot be used: it has no name any more, and what is written to it is gone when it is closed; or,
        tried before, its name is taken (on a network disk by itself: it was created, and the answer did not come)."""
        if self._descriptor is None:
            return self.path.exists()
        try:
            return os.fstat(self._descriptor).st_nlink == 0
        except OSError as error:
            return error.errno == errno.ESTALE  # what a network disk says of a file that another machine deleted

    def write(self, data: bytes = b"") -> None:
        """Append `data` behind what still waits.

        Raises:
            OSError: It (or a part of it) could not be written; it waits for the next call.
        """
        self._waiting += data
        if self._descriptor is None:
            self._descriptor = self.path.create()
        while self._waiting:
            written = os.write(self._descriptor, self._waiting)
            self.size += written
            del self._waiting[:written]

    def sync(self) -> None:
        """Bring what was written to the disk itself, with the name of the file.

        Raises:
            OSError: It may not be there.
        """
        if self._descriptor is not None:
            os.fsync(self._descriptor)
            if not self._is_entry_synced:
                self.path.parent.sync()
                self._is_entry_synced = True

    def close(self, *, sync: bool) -> None:
        """Close it, also where it cannot be synced.

        Raises:
            OSError: What was written may not be on the disk.
        """
        if self._descriptor is None:
            return
        try:
            if sync:
                self.sync()
        finally:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)
