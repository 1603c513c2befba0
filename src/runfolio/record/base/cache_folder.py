"""Cache folder and its entries. The data of the entries can be computed or downloaded again.

The spool is an exception, because it contains points that were recorded while the store was unavailable. These points
must be moved into their runs (`spool.py`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runfolio.record.base.layout import expand_home

INDEX, SPOOL, LOGDIRS = "index", "spool", "logdirs"


def cache_folder() -> Path | None:
    """Return `$RUNFOLIO_CACHE`, or else `$XDG_CACHE_HOME/runfolio`, or else `~/.cache/runfolio`. Return None if neither
    variable is set and the user has no home folder."""
    if own := os.environ.get("RUNFOLIO_CACHE"):
        return expand_home(own).absolute()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return expand_home(shared).absolute() / "runfolio"
    try:
        return Path.home() / ".cache" / "runfolio"
    except RuntimeError:
        return None


def store_cache(store: Path) -> Path | None:
    """Return the cache folder of a store, whose path must be absolute. Return None if there is no cache folder."""
    cache = cache_folder()
    return None if cache is None else cache / hashlib.sha256(os.fsencode(store)).hexdigest()[:32]


def create_folder(folder: Path) -> None:
    """Create a cache folder and its missing parents. Only this user can read the created folders.

    Raises:
        OSError: The folder cannot be created.
    """
    missing = [above for above in (folder, *folder.parents) if not above.exists()]
    for above in reversed(missing or [folder]):
        above.mkdir(mode=0o700, exist_ok=True)


@dataclass(frozen=True)
class Kind:
    """Category of cache entries."""

    name: str
    description: str
    """Description that is shown to users."""
    pattern: str
    """Glob pattern of the entries, relative to the cache folder."""


KINDS = (
    Kind("features", "image features from frozen networks", "features/*"),
    Kind("pixels", "decoded and resized images", "pixels/*"),
    Kind("images", "results of image-file checks", "images/*"),
    Kind("digests", "digests of data files", "digests/*"),
    Kind("data", "data that was downloaded or unpacked", "data/*"),
    Kind(LOGDIRS, "runs of TensorBoard log directories", "logdirs/*"),
    Kind(INDEX, "index of the runs in each store", "[0-9a-f]*/index.db"),
    Kind(SPOOL, "points of runs whose store was unavailable", "spool/*"),
)


@dataclass(frozen=True)
class CacheEntry:
    """Folder or file in the cache."""

    kind: Kind
    path: Path
    size: int
    """Size in bytes."""
    used: float
    """Time of the last modification inside the entry, in seconds since 1970."""


def cache_entries(kind: Kind) -> list[CacheEntry]:
    """Return all entries of one kind. Entries that disappear in the meantime or cannot be read are skipped."""
    cache = cache_folder()
    paths = sorted(cache.glob(kind.pattern)) if cache else []
    if kind.name == INDEX:
        paths = [path.parent for path in paths]
    return [entry for path in paths if path.suffix != ".lock" and (entry := _entry(kind, path))]


def _entry(kind: Kind, path: Path) -> CacheEntry | None:
    try:
        statuses = [file.stat() for file in (path, *_below(path))]
    except OSError:
        return None
    return CacheEntry(
        kind, path, sum(status.st_size for status in statuses), max(status.st_mtime for status in statuses)
    )


def _below(path: Path) -> Iterator[Path]:
    return (file for file in path.rglob("*") if not file.is_dir()) if path.is_dir() else iter(())
