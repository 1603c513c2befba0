"""Copies of a run's damaged files in `damaged/` (`docs/format.md`, Damaged files)."""

from __future__ import annotations

from runfolio.record.base.layout import DAMAGED
from runfolio.record.base.record_path import RecordPath


def free_path(path: RecordPath) -> RecordPath:
    """Return an unused path below `damaged/` for a file of a run, and create its folders."""
    folders = (DAMAGED, *path.parts[:-1])
    for depth in range(1, len(folders) + 1):
        RecordPath(path.root, *folders[:depth]).mkdir()
    target = RecordPath(path.root, *folders, path.name)
    number = 1
    while target.exists():
        number += 1
        target = RecordPath(path.root, *folders, f"{path.name}-{number}")
    return target


def keep_copy(path: RecordPath) -> None:
    """Copy a damaged file to `damaged/`.

    Raises:
        OSError: The store cannot be written to.
    """
    path.copy(free_path(path))
