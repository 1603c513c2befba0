"""Locks of the cache. One process downloads or computes an entry while the others wait for it."""

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
    """Hold the lock file at `path`. A killed process releases its lock.

    Yields:
        True if the lock is held. False if the file system has no locks, so that other processes may do the same work
        and files must not be shared with them.
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
