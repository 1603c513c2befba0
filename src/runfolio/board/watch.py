"""Thread that looks at the store for all browsers: it brings the index up to date and reports what changed."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runfolio.board.state import BoardState, Progress
from runfolio.errors import RunfolioError
from runfolio.record.base.clock import steady
from runfolio.record.base.layout import CONSOLE, MEDIA, METRICS
from runfolio.record.base.run_document import RUNNING

if TYPE_CHECKING:
    import sqlite3

    from runfolio.query.run import RecordedRun

_LOOK_S = 0.5
"""Seconds between two looks at the files of running runs."""
_MIN_SCAN_S, _MAX_SCAN_S = 2.0, 60.0
"""Minimum and maximum number of seconds between two scans of the store."""
_SCAN_SHARE = 0.05
"""Maximum share of the time that scans may take."""
_PUBLISH_S = 1.0
"""Seconds after which the runs that a long scan has read so far are shown."""
_WATCHED = (METRICS, CONSOLE, MEDIA)
"""Folders of a run that grow while it runs."""

Sightings = dict[int, tuple[str, str, str | None]]
"""Signature, state and reason of each run, keyed by run."""


class StoreWatcher(threading.Thread):
    """Thread that looks at the files of a store until it is stopped.

    It only reads the store. Runs never wait for it.
    """

    def __init__(self, board: BoardState) -> None:
        super().__init__(name="runfolio-board-watch", daemon=True)
        self._board = board
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._next_scan = 0.0
        self._version: Any = None
        """Version of the index at the last look."""
        self._sightings: Sightings = {}
        self._sizes: dict[int, dict[str, int]] = {}
        """Sizes of the files of each running run, keyed by run."""
        self._running: dict[int, Path] = {}
        """Folders of the running runs, keyed by run."""
        self._published = 0.0
        board.each_new_folder = self._publishing

    def stop(self) -> None:
        """End the thread after its current look."""
        self._stop.set()
        self._wake.set()

    def run(self) -> None:
        """Look at the store until `stop` is called."""
        self._publish()  # what the index has from earlier commands
        while not self._stop.is_set():
            try:
                self._look()
            except (RunfolioError, OSError) as error:
                self._board.problems = [str(error)]
            except Exception:
                logging.getLogger(__name__).exception("the board could not look at the store")
            self._wake.wait(_LOOK_S)
            self._wake.clear()

    def _look(self) -> None:
        if steady() >= self._next_scan:
            start = steady()
            self._scan()
            duration = steady() - start
            self._next_scan = steady() + min(max(duration / _SCAN_SHARE, _MIN_SCAN_S), _MAX_SCAN_S)
        else:
            self._look_at_running()

    def _scan(self) -> None:
        folio = self._board.folio
        if folio.store.is_dir():
            folio.scan()
        is_news = self._board.note_scan(folio.problems if folio.store.is_dir() else [])
        if not self._publish() and is_news:
            self._board.note_changes(())

    def _publish(self) -> bool:
        """Report the runs that changed in the index since the last call, and return whether there are any."""
        self._published = steady()
        version = self._board.folio.read_index(_version)
        if version == self._version:
            return False
        self._version = version
        earlier, self._sightings = self._sightings, self._board.folio.read_index(_read_sightings)
        changed = {
            key for key in earlier.keys() | self._sightings.keys() if earlier.get(key) != self._sightings.get(key)
        }
        if changed:
            self._note_running(changed)
            self._board.note_changes(changed)
        return bool(changed)

    def _publishing(self, folders: list[str]) -> Iterator[str]:
        """Yield the folders to read, and show what was read so far every second."""
        for folder in folders:
            if self._stop.is_set():
                return
            if steady() - self._published > _PUBLISH_S:
                self._publish()
            yield folder

    def _note_running(self, changed: Iterable[int]) -> None:
        running = [key for key, (_, state, _) in self._sightings.items() if state == RUNNING]
        progress = {key: entry for key, entry in self._board.progress.items() if key in running}
        self._running = {run.row.key: run.folder for run in self._board.runs(running)}
        for run in self._board.runs([key for key in changed if key in self._running]):
            progress[run.row.key] = _progress(run)
        self._board.progress = progress
        self._sizes = {key: sizes for key, sizes in self._sizes.items() if key in self._running}

    def _look_at_running(self) -> None:
        """Report the running runs whose files grew."""
        grown = []
        for key, folder in self._running.items():
            sizes = _sizes(folder)
            if key in self._sizes and sizes != self._sizes[key]:
                grown.append(key)
            self._sizes[key] = sizes
        if grown:
            self._board.events.note_points(grown)


def _version(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Return numbers that change with each change of the index, by this connection or by another one."""
    (other,) = connection.execute("PRAGMA data_version").fetchone()
    return id(connection), other, connection.total_changes


def _read_sightings(connection: sqlite3.Connection) -> Sightings:
    rows = connection.execute("SELECT run, signature, state, reason FROM runs")
    return {key: (signature, state, reason) for key, signature, state, reason in rows}


def _progress(run: RecordedRun) -> Progress:
    from runfolio.query.durations import seconds_left

    try:
        step = max((summary.last_step for summary in run.metrics.values()), default=None)
        left = seconds_left(run)
        return Progress(progress=run.progress, seconds_left=left, step=step, total_steps=run.document.total_steps)
    except (RunfolioError, OSError):  # the run was removed in the meantime
        return Progress(progress=None, seconds_left=None, step=None, total_steps=None)


def _sizes(folder: Path) -> dict[str, int]:
    """Return the sizes of the files that grow while a run runs."""
    sizes: dict[str, int] = {}
    for part in _WATCHED:
        try:
            with os.scandir(folder / part) as entries:
                sizes |= {f"{part}/{entry.name}": entry.stat(follow_symlinks=False).st_size for entry in entries}
        except OSError:
            continue  # the folder does not exist yet, or a file was replaced in the meantime
    return sizes
