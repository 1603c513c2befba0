"""Removal of individual entries from the cache."""

from __future__ import annotations

import shutil

from runfolio.errors import StoreError
from runfolio.record.base.cache_folder import CacheEntry
from runfolio.vision.batches.cache_rows import is_row_store, remove_unused


def remove_entry(entry: CacheEntry) -> bool:
    """Remove an entry unless a process has it open, and return whether it was removed.

    Raises:
        StoreError: The entry cannot be removed.
    """
    try:
        if is_row_store(entry.path):
            return remove_unused(entry.path)
        if entry.path.is_dir() and not entry.path.is_symlink():
            shutil.rmtree(entry.path)
        else:
            entry.path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot remove {error.filename}: {error.strerror}; check its permissions") from None
    return True
