"""Thread that watches the store for all browsers. It updates the index and reports changes.

The index is a database with the main data of all runs. A scan updates the index from the folders of the runs.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from runfolio.board.state import BoardState, Progress
from runfolio.errors import RunfolioError
from runfolio.record.base.clock import steady
from runfolio.record.base.layout import CONSOLE, MEDIA, METRICS
from runfolio.record.base.run_document import RUNNING

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun

_LOOK_S = 0.5
"""Seconds between two checks of the files of running runs."""
_MIN_SCAN_S, _MAX_SCAN_S = 2.0, 60.0
"""Minimum and maximum number of seconds between two scans of the store."""
_CPU_SHARE, _TIME_SHARE = 0.05, 0.25
"""Maximum share of processor time, and maximum share of elapsed time, that scans may take."""
_FIRST_PAGE_S = 0.7
"""Number of seconds before the first scan. A scan slows down answers, so the first page is answered before it."""
_SETTLED_NS = 3 * 10**9
"""Minimum age of a folder's modification time, in nanoseconds. If the time is this old, the next change of the folder
results in a different time."""
_PUBLISH_S = 1.0
"""Minimum number of seconds between two publications of the runs that a long scan has read so far."""
_GROWING = (METRICS, CONSOLE, MEDIA)
"""Folders of a run that grow while it runs."""


class StoreWatcher:
    """Watcher of a store, which runs in a thread. The watcher only reads the store, so runs never wait for it.

    Args:
        board: Board whose store is watched.
        stop: Event that stops the watcher.
    """

    def __init__(self, board: BoardState, stop: threading.Event) -> None:
        self._board = board
        self._stop = stop
        self._next_scan = 0.0
        """Time of the next scan, if no folder changes before this time."""
        self._earliest_scan = 0.0
        self._folder_times: dict[str, int] = {}
        """Modification times of the folders that contain runs, as of the last scan."""
        self._published = 0.0
        """Time of the last publication of new runs."""
        self._folders: dict[int, Path] = {}
        """Folders of the running runs, keyed by run."""
        self._sizes: dict[int, dict[str, int]] = {}
        """Sizes of the growing files of each running run, keyed by run."""
        board.each_new_folder = self._publishing

    def run(self) -> None:
        """Watch the store until `stop` is set."""
        self._board.publish()  # earlier commands may have added runs to the index
        if self._board.generation:
            self._stop.wait(_FIRST_PAGE_S)
        while not self._stop.is_set():
            try:
                self._look()
            except (RunfolioError, OSError) as error:
                self._board.problems = [str(error)]
            except Exception:
                logging.getLogger(__name__).exception("the board could not check the store for changes")
            self._stop.wait(_LOOK_S)

    def _look(self) -> None:
        now = steady()
        if now >= self._next_scan or (now >= self._earliest_scan and self._has_new_folders()):
            self._scan()
        self._look_at_running()

    def _has_new_folders(self) -> bool:
        """Return whether a folder with runs changed since the last scan, because a run was added or removed."""
        times = {folder: _modified_ns(folder) for folder in self._folder_times}
        return times != self._folder_times

    def _scan(self) -> None:
        start, start_cpu = steady(), time.thread_time()
        is_first = not self._board.is_scanned  # the first scan also imports pyarrow, and reads all new runs
        try:
            self._note_folders()
            has_news = self._board.scan()
            self._note_running()
            self._board.publish(has_news=has_news)
        finally:
            seconds, cpu_seconds = steady() - start, time.thread_time() - start_cpu
            self._earliest_scan = steady() + _pause(is_first, seconds / _TIME_SHARE)
            self._next_scan = steady() + _pause(is_first, seconds / _TIME_SHARE, cpu_seconds / _CPU_SHARE)

    def _note_folders(self) -> None:
        """Store the modification times of the store and of the folders in it that contain runs.

        Very recent times are not stored, since the next change of a folder can result in the same time.
        """
        rows = self._board.folio.read_index(lambda connection: connection.execute("SELECT folder FROM runs").fetchall())
        parents = {os.fsdecode(os.path.dirname(folder)) for (folder,) in rows}  # noqa: PTH120 - 10 times faster
        store = self._board.store
        times = {folder: _modified_ns(folder) for folder in (str(store), *(f"{store}/{path}" for path in parents))}
        newest_ns = time.time_ns() - _SETTLED_NS
        self._folder_times = {folder: moment if moment < newest_ns else -1 for folder, moment in times.items()}

    def _publishing(self, folders: list[str]) -> Iterator[str]:
        """Yield the folders that a scan must read. Every second, publish the runs that were read so far."""
        for folder in folders:
            if self._stop.is_set():
                return
            if steady() - self._published > _PUBLISH_S:
                self._board.publish()
                self._published = steady()
            yield folder

    def _note_running(self) -> None:
        """Store the folders and the progress of the running runs."""
        from runfolio.query.filter.select import select_rows
        from runfolio.query.filter.sql_text import Sql

        is_running = Sql("r.state = ?", (RUNNING,))
        folio = self._board.folio
        runs = folio.runs_of(folio.read_index(lambda connection: select_rows(connection, is_running)))
        self._folders = {run.row.key: run.folder for run in runs}
        self._sizes = {key: sizes for key, sizes in self._sizes.items() if key in self._folders}
        self._board.progress = {run.row.key: _progress(run) for run in runs}

    def _look_at_running(self) -> None:
        """Report the running runs whose files grew."""
        grown = []
        for key, folder in self._folders.items():
            sizes = _sizes(folder)
            if key in self._sizes and sizes != self._sizes[key]:
                grown.append(key)
            self._sizes[key] = sizes
        if grown:
            self._board.events.note_points(grown)


def _pause(is_first: bool, *costs_s: float) -> float:
    """Return the seconds until the next scan. The costs of the first scan are ignored, because later scans have other
    costs."""
    return _MIN_SCAN_S if is_first else min(max(_MIN_SCAN_S, *costs_s), _MAX_SCAN_S)


def _modified_ns(folder: str) -> int:
    """Return the modification time of a folder, or 0 if the folder does not exist."""
    try:
        return os.lstat(folder).st_mtime_ns
    except OSError:
        return 0


def _progress(run: RecordedRun) -> Progress:
    from runfolio.query.durations import seconds_left

    try:
        return Progress(
            progress=run.progress,
            seconds_left=seconds_left(run),
            step=max((summary.last_step for summary in run.metrics.values()), default=None),
            total_steps=run.document.total_steps,
        )
    except (RunfolioError, OSError):  # the run was removed in the meantime
        return Progress(progress=None, seconds_left=None, step=None, total_steps=None)


def _sizes(folder: Path) -> dict[str, int]:
    """Return the sizes of the files that grow while a run runs."""
    sizes: dict[str, int] = {}
    for part in _GROWING:
        try:
            with os.scandir(folder / part) as entries:
                sizes |= {f"{part}/{entry.name}": entry.stat(follow_symlinks=False).st_size for entry in entries}
        except OSError:
            continue  # the folder does not exist yet, or a file was replaced in the meantime
    return sizes
