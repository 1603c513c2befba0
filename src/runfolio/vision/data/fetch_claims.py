"""Locks for cache entries. While one process downloads or computes an entry, the other processes wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runfolio.record.base.cache_folder import create_folder

try:
    import fcntl
except ImportError:  # Windows has no flock
    fcntl = None


@contextmanager
def hold_claim(path: Path) -> Iterator[bool]:
    """Hold a lock on the file at `path`. The lock is released if the process is killed.

    Yields:
        True if the lock is held. False if the file system does not support locks. In this case, other processes may do
        the same work, so the caller must use its own temporary files.
    """
    create_folder(path.parent)
    with path.open("ab") as file:
        try:
            if fcntl is None:
                raise OSError
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True
