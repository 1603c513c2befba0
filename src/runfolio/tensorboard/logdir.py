"""`read_logdir`: the runs of a TensorBoard log directory as tables, and the store in the cache that contains them."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runfolio.errors import NotFound, RunfolioError, StoreError
from runfolio.query.store import Folio, Runs
from runfolio.record.base.cache_folder import LOGDIRS, cache_folder, create_folder
from runfolio.record.base.layout import expand_home
from runfolio.tensorboard.import_cursor import short_id
from runfolio.tensorboard.logdir_import import ImportReport, Progress, import_logdir

if TYPE_CHECKING:
    import pandas as pd

    from runfolio.query.histories.point_frame import PointFrame

log = logging.getLogger("runfolio")
_POLL_S = 2.0
_PAUSE_FACTOR = 5
"""Minimum duration of the pause between two imports, as a multiple of the duration of an import."""


class Logdir:
    """TensorBoard log directory that is opened for reading.

    Its runs are imported into a store in the cache folder. Opening the same directory again reads only what is new.
    """

    def __init__(self, path: Path, store: Path) -> None:
        self.path = path
        """Log directory."""
        self.store = store
        """Store in the cache folder that contains the imported runs."""
        self.report = ImportReport([], [])
        """Result of the last import: what was decided about each run, and what could not be read."""

    def update(self, on_progress: Progress | None = None) -> ImportReport:
        """Import the values that were written since the last import.

        Args:
            on_progress: Function that receives the name of a run and the number of bytes that were read.

        Raises:
            NotFound: The log directory no longer exists.
            StoreError: The cache folder cannot be written.
        """
        self.report = import_logdir(self.path, self.store, on_progress=on_progress or _ignore)
        return self.report

    @property
    def problems(self) -> list[str]:
        """Damaged parts of the files, and values that were left out, one line each."""
        return [f"{run.name}: {problem}" for run in self.report.runs for problem in run.problems]

    def runs(self) -> Runs:
        """Return the runs, the newest first."""
        return Folio(self.store).runs(archived=True)

    def points(self, *metrics: str) -> PointFrame:
        """Return the points of some or all metrics, as `Runs.points` does."""
        return self.runs().points(*metrics)

    def to_pandas(self, *metrics: str) -> pd.DataFrame:
        """Return the points of some or all metrics as a pandas data frame.

        Its columns are `run` (the folder of the run, as in TensorBoard), `metric`, `step`, `time` and `value`.

        Raises:
            MissingExtra: pandas is not installed.
            NotFound: No run has one of the metrics.
        """
        frame = self.points(*metrics).to_pandas()
        names = {run.run_id: run.name for run in self.report.runs}
        runs = [names.get(run_id, name) for run_id, name in zip(frame["id"], frame["name"], strict=True)]
        frame.insert(0, "run", runs)
        return frame.drop(columns=["id", "name"])

    def __repr__(self) -> str:
        return f"<Logdir {self.path}>"


def _ignore(name: str, size: int) -> None:
    """Ignore the progress of an import."""


def read_logdir(path: str | os.PathLike[str]) -> Logdir:
    """Read the event files in a TensorBoard log directory.

        import runfolio

        frame = runfolio.read_logdir("runs").to_pandas()

    Args:
        path: Folder that contains event files at any depth.

    Raises:
        NotFound: The folder does not exist.
        StoreError: There is no cache folder, or it cannot be written.
    """
    logdir = cached_logdir(expand_home(path))
    logdir.update()
    return logdir


def cached_logdir(path: Path) -> Logdir:
    """Return a log directory with its store in the cache folder. Nothing is imported yet.

    Raises:
        NotFound: The folder does not exist.
        StoreError: There is no cache folder, or it cannot be written.
    """
    if not path.is_dir():
        raise NotFound(f"there is no folder {path}; name a folder that contains TensorBoard event files")
    cache = cache_folder()
    if cache is None:
        raise StoreError("there is no cache folder; set RUNFOLIO_CACHE to a folder")
    real = os.path.realpath(path)
    store = cache / LOGDIRS / f"{short_id(real)}{short_id(real, 'store')}"
    try:
        create_folder(store)
    except OSError as error:
        raise StoreError(f"cannot create {store} ({error.strerror}); set RUNFOLIO_CACHE to another folder") from None
    return Logdir(Path(real), store)


@contextmanager
def followed(logdir: Logdir) -> Iterator[None]:
    """Import new values every few seconds while the context is active. Runs whose files grow are shown as running."""
    stop = threading.Event()
    thread = threading.Thread(target=_follow, args=(logdir, stop), name="runfolio-logdir", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _follow(logdir: Logdir, stop: threading.Event) -> None:
    pause, reported = _POLL_S, ""
    while not stop.wait(pause):
        begin = time.monotonic()
        reported = _import_live(logdir, reported)
        pause = max(_POLL_S, _PAUSE_FACTOR * (time.monotonic() - begin))
    try:
        import_logdir(logdir.path, logdir.store)  # no process follows the runs any more
    except (RunfolioError, OSError) as error:
        log.warning("cannot import %s: %s", logdir.path, error)


def _import_live(logdir: Logdir, reported: str) -> str:
    """Import the new values, and return the last problem. Each problem is logged once."""
    try:
        import_logdir(logdir.path, logdir.store, live=True)
    except (RunfolioError, OSError) as error:
        if str(error) != reported:
            log.warning("cannot import %s: %s; trying again", logdir.path, error)
        return str(error)
    return ""
