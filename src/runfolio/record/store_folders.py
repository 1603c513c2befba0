"""Folders of runs in a store and in its trash. Links are never followed, so nothing outside the store is changed.

Run paths are relative to the store and use `/`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath

from runfolio.errors import NotFound, StoreError
from runfolio.record import disk_use


def checked_folder(top: Path, run_path: str) -> Path:
    """Return the folder `run_path` below `top`.

    Raises:
        NotFound: The folder does not exist.
        StoreError: The path contains a link.
    """
    folder = _check_folder(top, top, run_path)
    for part in PurePosixPath(run_path).parts:
        folder = _check_folder(folder / part, top, run_path)
    return folder


def free_path(top: Path, run_path: str) -> Path:
    """Return the unused path `run_path` below `top`, and create its missing parent folders.

    Raises:
        StoreError: The path exists or contains a link, or a parent folder cannot be created.
    """
    folder = top
    for part in ("", *PurePosixPath(run_path).parts[:-1]):
        folder = folder / part
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise store_error("make", folder, error) from None
        _check_folder(folder, top, run_path)
    target = top / run_path
    if os.path.lexists(target):  # a later rename would replace an empty folder
        raise StoreError(f"{target} already exists; move it away first")
    return target


def remove(folder: Path) -> int:
    """Remove a folder permanently, and return the number of bytes freed.

    Raises:
        StoreError: The folder cannot be removed.
    """
    try:
        freed = disk_use.size(folder)
        shutil.rmtree(folder)  # `rmtree` does not follow links, even if a link replaces a folder in the meantime
    except RecursionError:
        raise StoreError(f"cannot purge {folder}: its folders are nested too deeply; remove it by hand") from None
    except OSError as error:
        raise store_error("purge", folder, error) from None
    return freed


def remove_empty(folder: Path, top: Path) -> None:
    """Remove an empty folder and its empty parents below `top`."""
    while folder != top:
        try:
            folder.rmdir()
        except OSError:
            return  # the folder contains other runs
        folder = folder.parent


def is_real(folder: Path) -> bool:
    """Return whether a path is a folder, and not a link to a folder."""
    return folder.is_dir() and not folder.is_symlink()


def store_error(task: str, path: Path, error: OSError) -> StoreError:
    """Return the error to raise if the operating system could not perform a task."""
    return StoreError(f"cannot {task} {path}: {error.strerror}; make sure that you may change {path.parent}")


def _check_folder(folder: Path, top: Path, run_path: str) -> Path:
    if folder.is_symlink():
        raise StoreError(f"{folder} is a link; runfolio does not follow it, so move or remove its target by hand")
    if not folder.is_dir():
        raise NotFound(f"there is no run {run_path} in {top}")
    return folder
