"""Disk space that run folders use, in bytes allocated on the disk. Links are not followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runfolio.record.base.layout import ARTIFACTS, CHECKPOINTS, MEDIA, METRICS
from runfolio.record.base.record_path import MOST_LEVELS

BLOCK = 512
"""Size in bytes of one block. The field `st_blocks` counts blocks of this size."""
_PARTS = {CHECKPOINTS: "checkpoints", MEDIA: "media", METRICS: "points", ARTIFACTS: "artifacts"}
"""Fields of `DiskUse`, by the name of the folder whose size the field contains."""
_OTHER = "other"


@dataclass(frozen=True)
class DiskUse:
    """Allocated bytes for each part of a run."""

    checkpoints: int = 0
    media: int = 0
    points: int = 0
    artifacts: int = 0
    other: int = 0

    @property
    def total(self) -> int:
        return self.checkpoints + self.media + self.points + self.artifacts + self.other


class DiskUseCounter:
    """Counter of the disk space that runs use. A file with hard links in several runs is counted only in the first
    run."""

    def __init__(self) -> None:
        self._counted: set[tuple[int, int]] = set()
        """Device and inode of each counted file that has several hard links."""

    def count(self, folder: Path) -> DiskUse:
        """Return the disk use of a run. Entries that cannot be read are skipped."""
        use = dict.fromkeys((*_PARTS.values(), _OTHER), 0)
        top = f"{folder}{os.sep}"
        for parent, _, names in walk(folder):
            use[_OTHER] += self._allocated(parent)  # the blocks of folders themselves count as `other`
            for name in names:
                path = os.path.join(parent, name)  # noqa: PTH118 - a run may hold thousands of files
                part = _PARTS.get(path.removeprefix(top).partition(os.sep)[0], _OTHER)
                use[part] += self._allocated(path)
        return DiskUse(**use)

    def _allocated(self, path: str) -> int:
        status = status_of(path)
        if status is None:
            return 0
        if is_shared(status):
            inode = status.st_dev, status.st_ino
            if inode in self._counted:
                return 0
            self._counted.add(inode)
        return status.st_blocks * BLOCK


def size(folder: Path) -> int:
    """Return the number of bytes that removing a folder frees on the disk."""
    paths = (f"{parent}/{name}" for parent, folders, names in walk(folder) for name in (*folders, *names))
    return _freed(str(folder)) + sum(map(_freed, paths))


def walk(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk a folder like `os.walk`, but only down to `MOST_LEVELS` levels.

    Some versions of `os.walk` are recursive, so a deep folder could exceed the recursion limit.
    """
    for parent, folders, names in os.walk(top):
        if parent.count(os.sep) - str(top).count(os.sep) >= MOST_LEVELS:
            folders.clear()
        yield parent, folders, names


def status_of(path: str) -> os.stat_result | None:
    """Return the status of a path without following links, or None if it cannot be read."""
    try:
        return os.lstat(path)
    except OSError:
        return None


def is_shared(status: os.stat_result) -> bool:
    """Return whether a file has several hard links."""
    return status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode)


def _freed(path: str) -> int:
    status = status_of(path)
    return 0 if status is None or is_shared(status) else status.st_blocks * BLOCK
