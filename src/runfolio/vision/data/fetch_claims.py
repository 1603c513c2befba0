"""One process at a time fetches a thing into the cache; the others wait and find it there."""

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
    """Hold the lock file at `path`; it is let go even by a process that is killed.

    Gives:
        False where the disk or system knows no such locks: others may be at the same work, so share no files with them.
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
