"""Scan of a store. It updates the index and reads only the runs that changed."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from runfolio.errors import DamagedFile, NewerFormat, StoreError
from runfolio.query.index.database import IndexDatabase, UnusableIndex
from runfolio.query.index.entries import Entry, ScannedRun, SeenHeartbeat, Sighting
from runfolio.query.index.overview_reader import ReadOverview
from runfolio.query.index.parallel_scan import process_count, scan_in_processes
from runfolio.query.index.rows import run_key
from runfolio.query.index.run_index import read_beats, read_entry, read_sightings, write_scan
from runfolio.record.base.clock import steady
from runfolio.record.base.layout import ALIVE, METRICS, NOTES, RUN_FILE, find_run_files
from runfolio.record.base.record_path import RecordPath, UnusableFile
from runfolio.record.base.run_document import RUNNING, RunDocument
from runfolio.record.content import run_edits
from runfolio.record.liveness.heartbeats import derive_state

_SETTLED_S = 10.0
"""Age of an ended run's last change, in seconds, below which a scan also compares the run's files. File times can be
coarse, and another program may still be copying the folder into the store."""
_BATCH = 500
"""Number of runs per write. If a scan is interrupted, the next scan only reads the runs that were not written yet."""

PARALLEL_RUNS = 1_000
"""Minimum number of new runs for a scan in several processes. A process needs half a second to start."""

Progress = Callable[[list[str]], Iterable[str]]
"""Function that yields the folders to read and can, for example, show a progress bar."""


class ScanRules(NamedTuple):
    """Functions that derive facts from the content of a run."""

    reason: Callable[[ScannedRun], str | None]
    """Function that returns the reason why a run ended."""
    overview: Callable[[Path, RunDocument], ReadOverview]
    """Function that returns the summaries and sparklines of a run's points."""


def scan_store(
    database: IndexDatabase, store: Path, rules: ScanRules, *, full: bool = False, progress: Progress = iter
) -> dict[str, str]:
    """Update the index of a store.

    An ended run is not read again unless the times of its folders or of `run.json` changed. Any other run is read again
    if the size or time of one of its files changed.

    Args:
        database: Index to update.
        store: Folder of the store.
        rules: Functions that derive facts from the content of a run.
        full: Also compare all files of ended runs, since network disks can report new folder times late.
        progress: Function that iterates over the folders of the runs that are not in the index yet.

    Returns:
        One line per unreadable run with the problem and a remedy, keyed by the run's folder relative to the store.
    """
    earlier = database.read(read_sightings)
    history = HeartbeatHistory(database.read(read_beats))
    stamps = {_run_path(store, files[0]): _stamp(*files) for files in find_run_files(store)}
    known, unknown = [], []
    for run_path, stamp in stamps.items():
        sighting = earlier.get(run_path)
        if sighting is None:
            unknown.append(run_path)
        elif full or sighting.stamp != stamp.text:
            known.append(run_path)
    if len(unknown) >= PARALLEL_RUNS and process_count() > 1:
        unknown = _scan_in_processes(database, store, unknown, progress)
        history.adopt(database.read(read_beats))
    updates = _Updates(database, store, rules, earlier, history)
    for run_path in chain(known, progress(unknown)):
        updates.look(run_path, stamps[run_path])
    removed = earlier.keys() - (stamps.keys() - updates.problems.keys() - updates.gone)
    updates.write(removed, history.beats if history.changed else None)
    return updates.problems


def _scan_in_processes(database: IndexDatabase, store: Path, unknown: list[str], progress: Progress) -> list[str]:
    """Read new runs in several processes, and return the runs that could not be read."""
    ticks = iter(progress(unknown))
    with suppress(OSError, sqlite3.Error, UnusableIndex):  # this process reads the remaining runs
        for _ in scan_in_processes(database, store, unknown):
            next(ticks, None)
    next(ticks, None)  # ends the progress bar
    added = database.read(read_sightings)
    return [run_path for run_path in unknown if run_path not in added]


def scan_runs(database: IndexDatabase, store: Path, run_paths: Iterable[str], rules: ScanRules) -> None:
    """Update the index for some runs only. These runs may be new, changed or removed.

    Args:
        database: Index to update.
        store: Folder of the store.
        run_paths: Folders of the runs, relative to the store.
        rules: Functions that derive facts from the content of a run.
    """
    beats = database.read(read_beats)
    history = HeartbeatHistory(beats)
    updates = _Updates(database, store, rules, database.read(read_sightings), history)
    for run_path in run_paths:
        folder = str(store / run_path)
        try:
            stamp = _stamp(folder, os.lstat(folder), os.lstat(f"{folder}/{RUN_FILE}"))
        except OSError:
            updates.gone.add(run_path)
        else:
            updates.look(run_path, stamp)
    updates.write([*updates.gone, *updates.problems], {**beats, **history.beats})


class _Updates:
    """Runs that a scan has read and must write to the index."""

    def __init__(
        self,
        database: IndexDatabase,
        store: Path,
        rules: ScanRules,
        earlier: dict[str, Sighting],
        history: HeartbeatHistory,
    ) -> None:
        self._database = database
        self._store = store
        self._rules = rules
        self._earlier = earlier
        self._history = history
        self._batch: list[ScannedRun] = []
        self.problems: dict[str, str] = {}
        """Problem of each run that cannot be read."""
        self.gone: set[str] = set()
        """Runs that were removed after their folders were listed."""

    def look(self, run_path: str, stamp: _Stamp) -> None:
        """Read a run if it changed."""
        folder = self._store / run_path
        try:
            run = _look(
                self._database, folder, run_path, stamp, self._earlier.get(run_path), self._history, self._rules
            )
        except FileNotFoundError:
            self.gone.add(run_path)
            return
        except (DamagedFile, NewerFormat, StoreError, OSError, UnicodeError) as error:
            self.problems[run_path] = _problem(error, folder)
            return
        if run is not None:
            self._batch.append(run)
        if len(self._batch) == _BATCH:
            write_scan(self._database, self._batch)
            self._batch = []

    def write(self, removed: Collection[str], beats: dict[str, SeenHeartbeat] | None) -> None:
        """Write the runs that were read, delete the removed runs, and replace the heartbeats unless they are None."""
        if self._batch or removed or beats is not None:
            write_scan(self._database, self._batch, removed, beats)


def _run_path(store: Path, folder: str) -> str:
    """Return a folder's path relative to the store, with `/` as the separator."""
    return folder[len(str(store)) :].lstrip(os.sep).replace(os.sep, "/") or "."


def signature_of(folder: Path) -> str:
    """Return a digest that changes if `run.json`, a file of points or an edit changes.

    A rewritten `run.json` has a new inode, even if its size and modification time are unchanged.

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
            continue  # the folder is missing, or a file was replaced just now; the next scan notices such a change
        except UnusableFile as error:
            parts.append(str(error))
    return hashlib.blake2b("\n".join(sorted(parts)).encode(errors="surrogateescape"), digest_size=16).hexdigest()


class HeartbeatHistory:
    """Last known heartbeats of the processes that write to runs. A later scan compares new heartbeats with the known
    heartbeats to detect that a run on another machine crashed."""

    def __init__(self, earlier: dict[str, SeenHeartbeat]) -> None:
        self._earlier = earlier
        self.beats: dict[str, SeenHeartbeat] = {}
        """Heartbeats that this scan read, keyed by writer. Heartbeats of ended runs are not included."""

    def seen_at(self, key: str, beat: int) -> float:
        """Record a heartbeat, and return the time at which it was first seen, in seconds on the `steady` (monotonic)
        clock."""
        now = steady()
        earlier = self._earlier.get(key)
        self.beats[key] = earlier if earlier and earlier.beat == beat else SeenHeartbeat(beat, now)
        return self.beats[key].seen_at

    def adopt(self, beats: dict[str, SeenHeartbeat]) -> None:
        """Add the heartbeats that other processes have read since the earlier scan."""
        self.beats |= {key: seen for key, seen in beats.items() if self._earlier.get(key) != seen}

    @property
    def changed(self) -> bool:
        return self.beats != self._earlier


class _Stamp(NamedTuple):
    """Modification times of a run's folders. They reveal later changes of an ended run."""

    text: str
    newest_s: float
    """Time of the last change, in seconds since 1970."""


def _stamp(folder: str, folder_status: os.stat_result, run_status: os.stat_result) -> _Stamp:
    times = [folder_status.st_mtime_ns, run_status.st_mtime_ns]
    for part in (METRICS, ALIVE, NOTES):
        try:
            times.append(os.lstat(f"{folder}/{part}").st_mtime_ns)
        except OSError:
            times.append(0)
    text = f"{folder_status.st_ino} {run_status.st_ino} {run_status.st_size} {' '.join(map(str, times))}"
    return _Stamp(text, max(times) / 1e9)


def _look(
    database: IndexDatabase,
    folder: Path,
    run_path: str,
    stamp: _Stamp,
    sighting: Sighting | None,
    history: HeartbeatHistory,
    rules: ScanRules,
) -> ScannedRun | None:
    """Return a run that must be written to the index, or None if the index is up to date."""
    signature = signature_of(folder)
    is_unchanged = sighting is not None and sighting.signature == signature
    if sighting is not None and is_unchanged and sighting.stamp == stamp.text:
        return None
    if is_unchanged:
        entry = database.read(lambda connection: read_entry(connection, run_key(run_path)))
    else:
        entry = _read(folder, rules)
    state = derive_state(folder, entry.document, history)
    is_settled = state != RUNNING and not entry.problems and time.time() - stamp.newest_s > _SETTLED_S
    run = ScannedRun(run_path, folder, entry, state, signature, stamp.text if is_settled else "")
    run = run._replace(reason=rules.reason(run))
    found = Sighting(signature, run.stamp, run.state, run.reason)
    return None if found == sighting else run


def _read(folder: Path, rules: ScanRules) -> Entry:
    document = RunDocument.read(folder)
    edits = run_edits.read(folder, document)
    (summaries, sparklines), problems = rules.overview(folder, document)
    damage = () if document.problem is None else (document.problem,)
    outlines = {name: buckets.encode() for name, buckets in sparklines.items()}
    return Entry(document, edits.values, dict(summaries), outlines, (*damage, *problems, *edits.problems))


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
