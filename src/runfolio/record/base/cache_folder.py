"""Where things are kept that can be made or fetched again, and what of them lies there.

Only the spool is something else: it waits there to be brought to its runs (`spool.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runfolio.record.base.layout import expand_home

INDEX, SPOOL = "index", "spool"


def cache_folder() -> Path | None:
    """`$RUNFOLIO_CACHE`, else `$XDG_CACHE_HOME/runfolio`, else `~/.cache/runfolio`; None where there is no home."""
    if own := os.environ.get("RUNFOLIO_CACHE"):
        return expand_home(own).absolute()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return expand_home(shared).absolute() / "runfolio"
    try:
        return Path.home() / ".cache" / "runfolio"
    except RuntimeError:
        return None


@dataclass(frozen=True)
class Kind:
    """One kind of thing in the cache."""

    name: str
    description: str
    """For people."""
    pattern: str
    """Of its entries below the cache folder."""


KINDS = (
    Kind("features", "what frozen networks make of images", "features/*"),
    Kind("pixels", "images decoded and resized", "pixels/*"),
    Kind("images", "what a look at image files found", "images/*"),
    Kind("digests", "what files of data contain", "digests/*"),
    Kind("data", "data that was fetched or unpacked", "data/*"),
    Kind(INDEX, "figures of the runs of each store", "[0-9a-f]*/index.db"),
    Kind(SPOOL, "points of runs whose store was away", "spool/*"),
)


@dataclass(frozen=True)
class CacheEntry:
    """One thing in the cache: a folder, or a file."""

    kind: Kind
    path: Path
    size: int
    """In bytes."""
    used: float
    """When something in it last changed, in seconds since 1970."""


def cache_entries(kind: Kind) -> list[CacheEntry]:
    """What there is of a kind; what vanishes meanwhile, or cannot be read, is passed over."""
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
