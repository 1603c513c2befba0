"""Run folders of a store, including those without `run.json`, and their files. Links are not followed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from runfolio.record.base.layout import ALIVE, DAMAGED, METRICS, RUN_FILE
from runfolio.record.base.record_path import FILE, RecordPath

_RUN_FILE_PATTERN = re.compile(rf"({ALIVE}/[0-9a-z]+\.json|{METRICS}/(tail|segment)-[0-9a-z]+-\d+\.(jsonl|parquet))")


def find_folders(store: Path) -> tuple[list[Path], list[Path]]:
    """Return the run folders of a store and the links to folders, both sorted."""
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
        for path in RecordPath(folder, part).files()
    )


def walk_files(folder: Path) -> Iterator[RecordPath]:
    """Yield every file of a run, except those that earlier repairs moved to `damaged/`."""
    return (path for path in RecordPath(folder).walk() if path.parts[0] != DAMAGED and path.kind() == FILE)


def unusable_files(folder: Path) -> Iterator[tuple[RecordPath, str]]:
    """Yield every entry below a run's folder that is not a file or a folder, with the kind of the entry."""
    return ((path, kind) for path in RecordPath(folder).walk() if (kind := path.kind()) != FILE)
