"""A look at a store: which runs are there now, what each says, and which are still alive."""

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
from runfolio.record.base.run_document import RunDocument
from runfolio.record.content import run_edits
from runfolio.record.liveness.heartbeats import derive_state


class ScannedRun(NamedTuple):
    """One run as this look found it."""

    run_path: str
    """Its folder below the store, with `/`."""
    entry: Entry
    state: str


class ScanResult(NamedTuple):
    runs: list[ScannedRun]
    problems: dict[str, str]
    """By place, one line for each run that could not be read, with the remedy."""


def scan_store(store: Path, index: Index, earlier: Mapping[str, Entry] | None = None) -> ScanResult:
    """Every run of the store; reads only those whose files changed since the index saw them.

    Args:
        earlier: Entries of an earlier scan by this process, which saves reading the index.
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
            continue  # removed between being found and being read
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
    """Changes whenever `run.json`, a file of points or an edit does.

    A rewritten `run.json` is a new file, so its inode tells it from one of the same size and clock tick.

    Raises:
        FileNotFoundError: The run is gone.
    """
    status = os.stat(folder / RUN_FILE)  # noqa: PTH116 - a store holds thousands of runs
    parts = [f"{status.st_ino} {status.st_mtime_ns} {status.st_size}"]
    for part in (METRICS, NOTES):
        try:
            with os.scandir(folder / part) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        status = entry.stat()
                        parts.append(f"{part} {entry.name} {status.st_mtime_ns} {status.st_size}")
        except FileNotFoundError:
            continue  # nothing there yet, or a tail sealed this very moment: the next look sees the rest
    return hashlib.blake2b("\n".join(sorted(parts)).encode(errors="surrogateescape"), digest_size=16).hexdigest()


class HeartbeatHistory:
    """The heartbeats seen so far, so that two short commands a minute apart can call a far-away run crashed."""

    def __init__(self, earlier: dict[str, SeenHeartbeat]) -> None:
        self._earlier = earlier
        self.beats: dict[str, SeenHeartbeat] = {}
        """Those asked for in this look; runs that ended drop out."""

    def seen_at(self, key: str, beat: int) -> float:
        now = steady()
        before = self._earlier.get(key)
        same = before is not None and before.beat == beat
        self.beats[key] = before if same and before else SeenHeartbeat(beat, now)
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
        PointFiles,  # Arrow, which a look at runs that did not change need not load
    )

    points = PointFiles(folder, document)
    metrics = points.summaries()
    damage = () if document.problem is None else (document.problem,)
    return Entry(signature, document, edits.values, metrics, (*damage, *points.problems, *edits.problems))


def _problem(error: Exception, folder: Path) -> str:
    if isinstance(error, NewerFormat):
        return str(error)
    if isinstance(error, DamagedFile):
        return f"{error}; restore it from a copy, or move the run's folder out of the store"
    if isinstance(error, UnicodeError):
        return f"cannot read {os.fsencode(folder)!r}: the name is not UTF-8; rename the folder"
    if isinstance(error, OSError):
        error = StoreError(f"cannot read {error.filename}: {error.strerror}")
    return f"{error}; check its permissions and the disk"
