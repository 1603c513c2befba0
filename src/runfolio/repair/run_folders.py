"""Run folders of a store, even without `run.json`, and their files. Links are not followed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from runfolio.record.base.layout import ALIVE, DAMAGED, METRICS, RUN_FILE

_RUN_FILE_PATTERN = re.compile(rf"({ALIVE}/[0-9a-z]+\.json|{METRICS}/(tail|segment)-[0-9a-z]+-\d+\.(jsonl|parquet))")


def find_folders(store: Path) -> tuple[list[Path], list[Path]]:
    """Return the run folders of a store, and links to folders; each list is sorted."""
    runs: list[Path] = []
    links: list[Path] = []
    pending = [store]
    while pending:
        folder = pending.pop()
        if _is_run(folder):
            runs.append(folder)
            continue
        try:
            with os.scandir(folder) as entries:
                inner = [entry for entry in entries if not entry.name.startswith(".")]
                links += [Path(entry.path) for entry in inner if entry.is_symlink() and entry.is_dir()]
                pending += [Path(entry.path) for entry in inner if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue
    return sorted(runs), sorted(links)


def _is_run(folder: Path) -> bool:
    if os.path.lexists(folder / RUN_FILE):
        return True
    return any(
        _RUN_FILE_PATTERN.fullmatch(f"{part}/{path.name}")
        for part in (ALIVE, METRICS)
        for path in list_files(folder / part)
    )


def list_files(folder: Path) -> list[Path]:
    """Return the files of a folder, including hidden ones, sorted; empty if it cannot be listed."""
    if folder.is_symlink():
        return []
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_file(follow_symlinks=False))
    except OSError:
        return []


def walk_files(folder: Path) -> Iterator[Path]:
    """Yield every file of a run, except those that earlier repairs moved to `damaged/`."""
    for parent, folders, names in os.walk(folder):
        if Path(parent) == folder and DAMAGED in folders:
            folders.remove(DAMAGED)
        for name in names:
            path = Path(parent, name)
            if not path.is_symlink():
                yield path


def find_links(folder: Path) -> list[Path]:
    """Return the links in a run's folder."""
    return sorted(
        path
        for parent, folders, names in os.walk(folder)
        for name in (*folders, *names)
        if (path := Path(parent, name)).is_symlink()
    )


def relative_path(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
