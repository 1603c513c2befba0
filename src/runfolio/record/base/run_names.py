"""Default names of runs. A name consists of a stem and a number, and is unique in the store."""

from __future__ import annotations

import os
from pathlib import Path

from runfolio.record.base.layout import NAMES, slug
from runfolio.record.base.record_path import RecordPath

_STEM_LENGTH = 24


def claim_name(store: Path, stem: str) -> str:
    """Claim the next free name of a store (`train-3`) and return it.

    A process claims a name by creating a file that must not exist yet. Processes that start at the same time therefore
    get different names without a lock. A claim is kept even if its run is deleted, so names are never reused.

    Raises:
        OSError: The store cannot be written to.
    """
    folder = RecordPath(store, NAMES)
    folder.mkdir()
    stem = slug(stem)[:_STEM_LENGTH].rstrip("-.")
    number = _last_claimed(folder, stem)
    while True:
        number += 1
        name = f"{stem}-{number}"
        try:
            os.close((folder / name).create())
        except FileExistsError:  # another process that started at the same time has created the file
            continue
        return name


def _last_claimed(folder: RecordPath, stem: str) -> int:
    """Return the last number claimed for a stem, or 0. Bisection is used because listing a large store is slow."""
    prefix = f"{folder}/{stem}-"
    claimed, free = 0, 1
    while os.path.exists(f"{prefix}{free}"):  # noqa: PTH110 - this delays the start of a run, and Path is 3x slower
        claimed, free = free, 2 * free
    while free - claimed > 1:
        middle = (claimed + free) // 2
        if os.path.exists(f"{prefix}{middle}"):  # noqa: PTH110
            claimed = middle
        else:
            free = middle
    return claimed
