"""Places below `damaged/` for files of a run that are damaged (`docs/format.md`, Damaged files)."""

from __future__ import annotations

import shutil
from pathlib import Path

from runfolio.record.base import files
from runfolio.record.base.layout import DAMAGED


def free_path(folder: Path, path: Path) -> Path:
    """Return the path below `damaged/` for a file of a run, and make the folders above it; nothing is there yet."""
    first = target = folder / DAMAGED / path.relative_to(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while target.exists():
        number += 1
        target = first.with_name(f"{path.name}-{number}")
    return target


def keep_copy(folder: Path, path: Path) -> Path:
    """Copy a damaged file below `damaged/` and return the copy's path.

    Raises:
        OSError: The store cannot be written.
    """
    target = free_path(folder, path)
    files.replace(target, lambda temporary: shutil.copyfile(path, temporary), sync=True)
    return target
