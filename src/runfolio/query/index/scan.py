"""Scan of a store: its runs, their content and their states."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from runfolio.errors import DamagedFile, NewerFormat, StoreError
from runfolio.query.index.run_index import Entry, Index, SeenHeartbeat
from runfolio.record.base.clock import steady
from runfolio.record.base.layout import METRICS, NOTES, RUN_FILE, find_runs
from runfolio.record.base.record_path import RecordPath, UnusableFile
from runfolio.record.base.run_document import RunDocument
from runfolio.record.content import run_edits
from runfolio.record.liveness.heartbeats import derive_state


class ScannedRun(NamedTuple):
    """Run as found by one scan."""

    run_path: str
    """Folder relative to the store, with `/`."""
    entry: Entry
    state: str


class ScanResult(NamedTuple):
    """Runs that a scan read, and problems of the others."""

    runs: list[ScannedRun]
    problems: dict[str, str]
    """Problem and remedy of each unreadable run, by run path; one line each."""


def scan_store(store: Path, index: Index, earlier: Mapping[str, Entry] | None = None) -> ScanResult:
    """Return the runs of a store, reading only those that changed since the last scan.

    Args:
        store: Folder of the store.
        index: Index to read and update.
        earlier: Entries of an earlier scan by this process, which avoid reading the index.
    """
    indexed = index.entries() if earlier is None else earlier
    history = HeartbeatHistory(index.beats())
    changed: dict[str, Entry] = {}
    scan = ScanResult([], {})
    for folder in find_runs(store):
        run_path = folder.relative_to(store).as_posix()
        try:
            entry = _entry(folder, indexed.get(run_path))
            scan.runs.append(ScannedRun(run_path, entry, derive_state(folder, entry.document, history)))
        except FileNotFoundError:
            continue  # removed after the folder was listed
        except (DamagedFile, NewerFormat, StoreError, OSError, UnicodeError) as error:
            scan.problems[run_path] = _problem(error, folder)
            continue
        if entry is not indexed.get(run_path):
            changed[run_path] = entry
    removed = indexed.keys() - {run.run_path for run in scan.runs}
    if changed or removed or history.changed:
        index.update(changed, removed, history.beats if history.changed else None)
    return scan


def signature_of(folder: Path) -> str:
    """Return a digest that changes if `run.json`, a file of points or an edit changes.

    A rewritten `run.json` has a new inode, even if size and time stamp are equal.

    Raises:
        FileNotFoundError: The run is gone.
    """
    status = os.lstat(folder / RUN_FILE)
    parts = [f"{status.st_ino} {status.st_mtime_ns} {status.st_size}"]
    for part in (METRICS, NOTES):
        try:
            with RecordPath(folder, part).scan() as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        status = entry.stat(follow_symlinks=False)
                        parts.append(f"{part} {entry.name} {status.st_mtime_ns} {status.st_size}")
        except FileNotFoundError:
            continue  # no folder yet, or a tail was sealed in the meantime; the next scan sees the change
        except UnusableFile as error:
            parts.append(str(error))
    return hashlib.blake2b("\n".join(sorted(parts)).encode(errors="surrogateescape"), digest_size=16).hexdigest()


class HeartbeatHistory:
    """Heartbeats seen so far. They let two commands, a minute apart, detect that a run on another machine crashed."""

    def __init__(self, earlier: dict[str, SeenHeartbeat]) -> None:
        self._earlier = earlier
        self.beats: dict[str, SeenHeartbeat] = {}
        """Heartbeats requested in this scan, so without those of ended runs."""

    def seen_at(self, key: str, beat: int) -> float:
        """Return the time at which the beat was first seen, in seconds of the clock `steady`."""
        now = steady()
        earlier = self._earlier.get(key)
        self.beats[key] = earlier if earlier and earlier.beat == beat else SeenHeartbeat(beat, now)
        return self.beats[key].seen_at

    @property
    def changed(self) -> bool:
        return self.beats != self._earlier


def _entry(folder: Path, indexed: Entry | None) -> Entry:
    signature = signature_of(folder)
    if indexed is not None and indexed.signature == signature:
        return indexed
    document = RunDocument.read(folder)
    edits = run_edits.read(folder, document)
    from runfolio.record.points.reader import (
        PointFiles,  # imports Arrow, which a scan without changes does not need
    )

    points = PointFiles(folder, document)
    metrics = points.summaries()
    damage = () if document.problem is None else (document.problem,)
    return Entry(signature, document, edits.values, metrics, (*damage, *points.problems, *edits.problems))


def _problem(error: Exception, folder: Path) -> str:
    if isinstance(error, (NewerFormat, UnusableFile)):
        return str(error)
    if isinstance(error, DamagedFile):
        return f"{error}; restore it from a copy, or move the run's folder out of the store"
    if isinstance(error, UnicodeError):
        return f"cannot read {os.fsencode(folder)!r}: the name is not UTF-8; rename the folder"
    if isinstance(error, OSError):
        error = StoreError(f"cannot read {error.filename}: {error.strerror}")
    return f"{error}; check its permissions and the disk"
