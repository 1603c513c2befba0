"""Locks of the cache. One process downloads or computes an entry while the others wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            if fcntl is None:
                raise OSError
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True
