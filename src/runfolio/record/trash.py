"""Trash of a store, which holds deleted runs. One rename deletes or restores a run (`docs/format.md`, Trash).

Run paths are relative to the store and use `/`. Links are never followed, so that a link to a run or in the trash
cannot cause changes outside the store.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from runfolio.errors import NotFound, StoreError
from runfolio.record.base.layout import RUN_FILE, TRASH, new_id
from runfolio.record.base.record_path import MOST_LEVELS

_EVENTS, _HIDDEN_EVENTS = "tfevents", "tf~events"
"""Part of the names of event files, and its replacement in the trash. Otherwise TensorBoard would show deleted runs,
since it also searches hidden folders."""
_PURGED = ".purged-"


def put(store: Path, run_path: str) -> Path:
    """Move a run into the trash; return its new folder. The folder's modification time is the time of deletion.

    Raises:
        NotFound: The run does not exist.
        StoreError: The run cannot be moved, the trash already has a run with the same path, or the path contains a
            link.
    """
    source = _checked_folder(store, run_path)
    target = _free_path(store / TRASH, run_path)
    try:
        os.utime(source)
        source.rename(target)
        _rename_events(target, _EVENTS, _HIDDEN_EVENTS)
    except OSError as error:
        raise _store_error("delete", source, error) from None
    return target


def restore(store: Path, run_path: str) -> Path:
    """Move a run back to its original folder, and return that folder.

    Raises:
        NotFound: The run is not in the trash.
        StoreError: The run cannot be moved, its original path is taken, or the path contains a link.
    """
    source = _checked_folder(store / TRASH, run_path)
    target = _free_path(store, run_path)
    try:
        _rename_events(source, _HIDDEN_EVENTS, _EVENTS)
        source.rename(target)
        _remove_empty(source.parent, store / TRASH)
    except OSError as error:
        raise _store_error("undelete", source, error) from None
    return target


def purge(store: Path, run_path: str) -> int:
    """Remove a run in the trash permanently; return the number of bytes freed on the disk.

    Raises:
        NotFound: The run is not in the trash.
        StoreError: The run cannot be removed, or the path contains a link.
    """
    source = _checked_folder(store / TRASH, run_path)
    # The run is renamed first. If the process is killed, `sweep` removes the renamed folder, and no half-deleted run
    # remains.
    doomed = store / TRASH / f"{_PURGED}{new_id()}"
    try:
        source.rename(doomed)
        _remove_empty(source.parent, store / TRASH)
    except OSError as error:
        raise _store_error("purge", source, error) from None
    return _remove(doomed)


def sweep(store: Path) -> int:
    """Remove the folders that interrupted purges left behind, and return the number of bytes freed.

    Raises:
        StoreError: A folder cannot be removed.
    """
    trash = store / TRASH
    if not _is_real(trash):
        return 0
    return sum(_remove(path) for path in trash.iterdir() if path.name.startswith(_PURGED) and _is_real(path))


def run_paths(store: Path) -> Iterator[str]:
    """Yield the path of each run in the trash; links are not followed."""
    trash = store / TRASH
    if not _is_real(trash):
        return
    for parent, folders, names in _walk(trash):
        if RUN_FILE in names:
            yield Path(parent).relative_to(trash).as_posix()
            folders.clear()
        folders[:] = [name for name in folders if not name.startswith(".")]


def size(folder: Path) -> int:
    """Return the number of bytes that removing a folder frees on the disk."""
    paths = (f"{parent}/{name}" for parent, folders, names in _walk(folder) for name in (*folders, *names))
    return _blocks(str(folder)) + sum(map(_blocks, paths))


def _walk(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk a folder as `os.walk` does, but only the first `MOST_LEVELS` levels, since `os.walk` may be recursive."""
    for parent, folders, names in os.walk(top):
        if parent.count(os.sep) - str(top).count(os.sep) >= MOST_LEVELS:
            folders.clear()
        yield parent, folders, names


def _blocks(path: str) -> int:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return 0
    is_shared = status.st_nlink > 1 and not os.path.isdir(path)  # noqa: PTH112 - faster for thousands of files
    return 0 if is_shared else status.st_blocks * 512


def _checked_folder(top: Path, run_path: str) -> Path:
    """Return the folder `run_path` below `top`; raise StoreError if the path contains a link."""
    folder = _check_folder(top, top, run_path)
    for part in PurePosixPath(run_path).parts:
        folder = _check_folder(folder / part, top, run_path)
    return folder


def _check_folder(folder: Path, top: Path, run_path: str) -> Path:
    if folder.is_symlink():
        raise StoreError(f"{folder} is a link, whose target runfolio does not move or remove; do that by hand")
    if not folder.is_dir():
        raise NotFound(f"there is no run {run_path} in {top}")
    return folder


def _free_path(top: Path, run_path: str) -> Path:
    """Return the unused path `run_path` below `top`, and create its missing parent folders."""
    folder = top
    for part in ("", *PurePosixPath(run_path).parts[:-1]):
        folder = folder / part
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise _store_error("make", folder, error) from None
        _check_folder(folder, top, run_path)
    target = top / run_path
    if os.path.lexists(target):  # rename would replace an empty folder
        raise StoreError(f"{target} already exists; move it away first")
    return target


def _rename_events(folder: Path, old: str, new: str) -> None:
    for parent, _, names in _walk(folder):
        for name in names:
            if old in name:
                Path(parent, name).rename(Path(parent, name.replace(old, new)))


def _remove(folder: Path) -> int:
    try:
        freed = size(folder)
        shutil.rmtree(folder)  # follows no links, even if a folder is replaced with a link in the meantime
    except RecursionError:
        raise StoreError(f"cannot purge {folder}: its folders are nested too deeply; remove it by hand") from None
    except OSError as error:
        raise _store_error("purge", folder, error) from None
    return freed


def _remove_empty(folder: Path, top: Path) -> None:
    while folder != top:
        try:
            folder.rmdir()
        except OSError:
            return  # the folder contains other runs
        folder = folder.parent


def _is_real(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink()


def _store_error(task: str, path: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot {task} {path}: {error.strerror}; make sure that you may change {path.parent}")
