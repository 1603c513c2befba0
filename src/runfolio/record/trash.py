"""Trash of a store, which contains deleted runs. A single rename deletes or restores a run (`docs/format.md`, Trash).

Run paths are relative to the store and use `/`. Links are never followed. Therefore, a link in the store or in its
trash cannot cause changes outside the store.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from runfolio.record import store_folders
from runfolio.record.base.layout import RUN_FILE, TRASH, new_id
from runfolio.record.disk_use import walk

_EVENTS, _HIDDEN_EVENTS = "tfevents", "tf~events"
"""Part of the names of event files, and the string that replaces this part in the trash. Without the replacement,
TensorBoard would show deleted runs, since it also searches hidden folders."""
_PURGED = ".purged-"


def put(store: Path, run_path: str) -> Path:
    """Move a run into the trash, and return its new folder. The folder's modification time is the time of deletion.

    Raises:
        NotFound: The run does not exist.
        StoreError: The run cannot be moved, its path contains a link, or the trash already has a run with the same
            path.
    """
    source = store_folders.checked_folder(store, run_path)
    target = store_folders.free_path(store / TRASH, run_path)
    try:
        os.utime(source)
        source.rename(target)
        _rename_events(target, _EVENTS, _HIDDEN_EVENTS)
    except OSError as error:
        raise store_folders.store_error("delete", source, error) from None
    return target


def restore(store: Path, run_path: str) -> Path:
    """Move a run back to its original folder, and return that folder.

    Raises:
        NotFound: The run is not in the trash.
        StoreError: The run cannot be moved, its original path exists again, or the path contains a link.
    """
    source = store_folders.checked_folder(store / TRASH, run_path)
    target = store_folders.free_path(store, run_path)
    try:
        _rename_events(source, _HIDDEN_EVENTS, _EVENTS)
        source.rename(target)
        store_folders.remove_empty(source.parent, store / TRASH)
    except OSError as error:
        raise store_folders.store_error("undelete", source, error) from None
    return target


def purge(store: Path, run_path: str) -> int:
    """Remove a run in the trash permanently, and return the number of bytes freed on the disk.

    Raises:
        NotFound: The run is not in the trash.
        StoreError: The run cannot be removed, or the path contains a link.
    """
    return discard(store, store_folders.checked_folder(store / TRASH, run_path))


def discard(store: Path, folder: Path) -> int:
    """Remove a folder in the trash permanently, and return the number of bytes freed on the disk.

    Raises:
        StoreError: The folder cannot be removed.
    """
    # The folder is renamed first. If the process is killed, `sweep` removes the renamed folder, and no half-deleted run
    # remains.
    doomed = store / TRASH / f"{_PURGED}{new_id()}"
    try:
        folder.rename(doomed)
        store_folders.remove_empty(folder.parent, store / TRASH)
    except OSError as error:
        raise store_folders.store_error("purge", folder, error) from None
    return store_folders.remove(doomed)


def sweep(store: Path) -> int:
    """Remove the folders that interrupted purges (permanent removals) left behind, and return the number of bytes
    freed.

    Raises:
        StoreError: A folder cannot be removed.
    """
    trash = store / TRASH
    if not store_folders.is_real(trash):
        return 0
    return sum(
        store_folders.remove(path)
        for path in trash.iterdir()
        if path.name.startswith(_PURGED) and store_folders.is_real(path)
    )


def run_paths(store: Path) -> Iterator[str]:
    """Yield the path of each run in the trash. Links are not followed."""
    trash = store / TRASH
    if not store_folders.is_real(trash):
        return
    for parent, folders, names in walk(trash):
        if RUN_FILE in names:
            yield Path(parent).relative_to(trash).as_posix()
            folders.clear()
        folders[:] = [name for name in folders if not name.startswith(".")]


def _rename_events(folder: Path, old: str, new: str) -> None:
    for parent, _, names in walk(folder):
        for name in names:
            if old in name:
                Path(parent, name).rename(Path(parent, name.replace(old, new)))
