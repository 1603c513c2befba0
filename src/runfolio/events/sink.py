"""Writer of TensorBoard event files during a run. It is a sink, which receives a copy of all data that the run
records."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from runfolio.errors import RunfolioError, StoreError
from runfolio.events.event_encoder import EventEncoder
from runfolio.events.joined_tails import JoinedTails
from runfolio.record.base.append_file import AppendFile
from runfolio.record.base.layout import METRICS, event_file, event_files, next_event_second
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import RUNNING, RunDocument
from runfolio.record.content import media
from runfolio.record.content.media import MediaEntry
from runfolio.record.liveness.heartbeats import hostname
from runfolio.record.points.tails import LogCall

_MOST_WAITING_BYTES = 64 * 1024 * 1024
_REBUILD = "runfolio.events.rebuild"
_LOOK_S = 2.0
"""Minimum time between two searches for points of processes that joined the run."""
_LOOK_PAUSES = 20.0
"""Minimum pause after such a search, relative to the time that it took."""
_SMALL_BYTES = 256 * 1024
"""Maximum total size of points and event files for which this process rebuilds the event files itself. For small files,
this is faster than starting a new process."""


class EventFileSink:
    """`Sink` that writes the event file of one attempt (one start of a run).

    The file also contains the points of processes that joined the attempt. While the attempt runs, the first process
    that logs a metric provides the points of the metric. If other processes have logged points, the file is rewritten
    at the end, with the points that readers of the record show.

    If records cannot be written, they are kept in memory up to a limit, and are written later. If the limit is
    exceeded, the file is removed, since a file with missing points would be misleading. `runfolio tensorboard` then
    writes a complete file.
    """

    def __init__(
        self, folder: Path, start_module: Callable[..., subprocess.Popen[str]], warn: Callable[..., None]
    ) -> None:
        """Prepare the event file of a run. No file is created yet.

        Args:
            folder: Folder of the run.
            start_module: Function that starts a Python module as a program, given the module's name and the arguments.
            warn: Function that logs a warning, like `logging.Logger.warning`.
        """
        self._folder = folder
        self._start_module = start_module
        self._warn = warn
        self._file: AppendFile | None = None
        self._rebuild: subprocess.Popen[str] | None = None
        self._records = bytearray()
        self._has_points = False
        self._has_config = False
        self._is_failing = False
        self._providers: dict[str, str] = {}
        """Writer whose points are in the file, for each metric of the attempt."""
        self._next_look = 0.0

    def open(self, document: RunDocument, last_steps: Callable[[], Mapping[str, int]]) -> None:
        """Start the file of this attempt, and remove abandoned points from the files of earlier attempts.

        `last_steps` is not needed, because each attempt has its own file.
        """
        self._document = document
        *earlier, newest = document.attempts
        now = time.time()
        # The time in the file's name must be later than that of every earlier attempt, even if that attempt has no file
        # (in a fork).
        second = next_event_second(self._folder, max([now, *(entry.started.timestamp() + 1 for entry in earlier)]))
        path = event_file(self._folder, newest.writer, second, hostname(), os.getpid())
        self._writer = newest.writer
        self._encoder = EventEncoder(document, media.logged_charts(self._folder) if earlier else None)
        self._file = AppendFile(path, self._encoder.header(now))
        self._joined = JoinedTails(
            self._folder, newest.attempt, {entry.writer for entry in document.attempts}.__contains__
        )
        if earlier:
            with contextlib.suppress(OSError, RunfolioError):  # after an error, earlier files keep abandoned points
                self._run_rebuild(keep_newest=True)

    def points(self, calls: Sequence[LogCall]) -> None:
        self._has_points = True
        for call in calls:
            if not self._providers.keys() >= call.values.keys():
                self._providers.update(dict.fromkeys(call.values, self._writer))
        self._append(lambda: b"".join(map(self._encoder.scalars, calls)))

    def media(self, entry: MediaEntry, file_content: bytes | None) -> None:
        self._append(
            lambda: self._encoder.medium(entry.time_us, entry.step, entry.kind, entry.name, entry.content, file_content)
        )

    def document(self, document: RunDocument) -> None:
        """Write all received data to the event files, without syncing them.

        Hyperparameters can be written only once, and scripts may set some of them after `init`. They are therefore
        written only after the first points.
        """
        self._document = self._encoder.document = document
        if time.monotonic() >= self._next_look:
            self._add_joined()
        if self._has_points and document.config:
            self._append_config()
        self._append(lambda: self._encoder.new_charts(time.time()))
        self._write()

    def lost(self, reason: str) -> None:
        self._give_up(reason)

    def close(self) -> None:
        """Write the results and the run's end, close the file, and wait for the program that `open` started.

        If the process was preempted or the run continues, this method does not wait for the program.
        """
        if self._file is not None:
            ended = self._document.status.ended
            ended_s = ended.timestamp() if ended else time.time()
            self._add_joined()
            self._append_config()
            self._append(lambda: self._encoder.results(ended_s))
            self._append(lambda: self._encoder.session_end(ended_s))
            self._write()
            with contextlib.suppress(OSError):
                self._file.close(sync=False)
        is_over = self._document.status.state not in (RUNNING, "preempted")
        if self._file is not None and is_over and self._joined.writers:
            self._rebuild_all()
        if self._rebuild is not None and is_over:
            self._rebuild.wait()

    def _add_joined(self) -> None:
        """Add the new points of processes that joined the attempt."""
        began = time.monotonic()
        for writer, call in self._joined.new_calls():
            values = {
                name: value for name, value in call.values.items() if self._providers.setdefault(name, writer) == writer
            }
            if values:
                self._has_points = True
                self._append(lambda call=call, values=values: self._encoder.scalars(call._replace(values=values)))
        now = time.monotonic()
        self._next_look = now + max(_LOOK_S, _LOOK_PAUSES * (now - began))

    def _rebuild_all(self) -> None:
        """Rewrite the event files with the points of all processes."""
        with contextlib.suppress(OSError, RunfolioError):  # after an error, the file keeps the points of one process
            self._run_rebuild(keep_newest=False)

    def _run_rebuild(self, *, keep_newest: bool) -> None:
        """Rebuild the event files of earlier attempts, or of all attempts.

        The current process does this if the files are small and Arrow is already loaded. Otherwise, a new process is
        started.
        """
        paths = [*event_files(self._folder).values(), *RecordPath(self._folder, METRICS).entries()]
        size = sum(path.status().st_size for path in paths)
        if "pyarrow" in sys.modules and size <= _SMALL_BYTES:
            from runfolio.events import rebuild

            rebuild.follow_branch(self._folder) if keep_newest else rebuild.make_event_files(self._folder)
        else:
            self._rebuild = self._start_module(_REBUILD, os.fspath(self._folder), *([] if keep_newest else ["--all"]))

    def _append_config(self) -> None:
        if not self._has_config:
            self._has_config = True
            self._append(self._encoder.session_start)

    def _append(self, encode: Callable[[], bytes]) -> None:
        try:
            self._records += encode()
        except Exception as error:  # the encoder has a bug
            self._give_up(error)

    def _write(self) -> None:
        if self._file is None:
            return
        records, self._records = bytes(self._records), bytearray()
        try:
            self._file.write(records)
        except OSError as error:
            if self._file.waiting > _MOST_WAITING_BYTES:
                self._give_up(error)
            if not self._is_failing:
                self._is_failing = True
                self._warn(
                    "run %s: cannot write %s (%s); the write will be retried",
                    self._document.id,
                    self._file.path,
                    error.strerror or error,
                )
        else:
            self._is_failing = False

    def _give_up(self, reason: object) -> NoReturn:
        """Remove the event file, and raise an error that ends the writing of event files.

        Raises:
            StoreError: This error is always raised.
        """
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close(sync=False)
                file.path.unlink(missing_ok=True)
        raise StoreError(
            f"the event file was removed ({reason}); `runfolio tensorboard` writes a new one from the record"
        )
