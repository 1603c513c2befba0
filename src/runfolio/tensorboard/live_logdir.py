"""Folder of event files from which TensorBoard shows a store, including runs that are still recorded."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

from runfolio.errors import RunfolioError
from runfolio.events.rebuild import make_event_files
from runfolio.events.run_follower import RunFollower
from runfolio.query.run import RecordedRun
from runfolio.query.store import Folio
from runfolio.record.base.layout import event_files
from runfolio.record.liveness.heartbeats import joined_heartbeats

_LEAST_PAUSE_S = 2.0
_PAUSES = 5.0
"""Length of the pause after an update, relative to the time that the update took."""


class LiveLogdir:
    """Folder with one folder per run, named like the run's path in the store.

    The event files of a run are links to the event files in the run's own folder. If an ended run has no event files,
    they are written to its own folder first. A running run without event files gets a copy, which is updated while the
    run is recorded.
    """

    def __init__(self, folio: Folio, folder: Path, warn: Callable[[str], None]) -> None:
        """Prepare the folder.

        Args:
            folder: Empty folder.
            warn: Function that reports a run that cannot be shown.
        """
        self._folio = folio
        self._folder = folder
        self._warn = warn
        self._followers: dict[Path, RunFollower] = {}
        self._failed: set[Path] = set()
        self._is_over = threading.Event()

    def update(self, on_run: Callable[[], object] = lambda: None) -> None:
        """Add new runs and new points. `on_run` is called after each run."""
        for run in self._folio.runs():
            if self._is_over.is_set():
                return
            try:
                self._update_run(run)
            except (RunfolioError, OSError) as error:
                if run.folder not in self._failed:
                    self._failed.add(run.folder)
                    self._warn(f"{run.name} ({run.id}) is not shown: {error}")
            on_run()

    def follow(self) -> Callable[[], None]:
        """Update the folder in a thread. The result is a function that ends the thread."""

        def loop() -> None:
            took = 0.0
            while not self._is_over.wait(max(_LEAST_PAUSE_S, _PAUSES * took)):
                began = time.monotonic()
                with contextlib.suppress(RunfolioError, OSError):
                    self.update()
                took = time.monotonic() - began

        thread = threading.Thread(target=loop, name="runfolio-tensorboard", daemon=True)
        thread.start()

        def stop() -> None:
            self._is_over.set()
            thread.join(5)

        return stop

    def _update_run(self, run: RecordedRun) -> None:
        target = self._folder / run.run_path
        follower = self._followers.get(run.folder)
        paths = event_files(run.folder)
        if follower is None and run.state != "running" and (not paths or _misses_points(run)):
            with contextlib.suppress(OSError):  # a store that cannot be written is shown from a copy
                make_event_files(run.folder)
                paths = event_files(run.folder)
        if follower is None and paths:
            target.mkdir(parents=True, exist_ok=True)
            for path in paths.values():
                with contextlib.suppress(FileExistsError):
                    (target / path.name).symlink_to(path.path.absolute())
            return
        if follower is None:
            follower = self._followers[run.folder] = RunFollower(run.folder, target)
        follower.update()


def _misses_points(run: RecordedRun) -> bool:
    """Return whether a process that joined an ended run was still active after the event files of the run were
    written."""
    if run.state == "running":
        return False
    joined = joined_heartbeats(run.folder, run.document)
    if not joined:
        return False
    written = max(path.status().st_mtime for path in event_files(run.folder).values())
    return any(time.time() - heartbeat.age_s(run.folder) > written for heartbeat in joined)
