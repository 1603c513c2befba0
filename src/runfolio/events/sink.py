"""Writer of TensorBoard event files during a run. It is a sink, which receives a copy of all data that the run
records."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from runfolio.errors import RunfolioError, StoreError
from runfolio.events.event_encoder import EventEncoder
from runfolio.record.base.append_file import AppendFile
from runfolio.record.base.layout import METRICS, event_file, event_files, line_folder, next_event_second
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import RUNNING, RunDocument
from runfolio.record.content.media import MediaEntry
from runfolio.record.liveness.heartbeats import hostname
from runfolio.record.points.tails import LogCall

_MOST_WAITING_BYTES = 64 * 1024 * 1024
_REBUILD = "runfolio.events.rebuild"
_SMALL_BYTES = 256 * 1024
"""Maximum total size of points and event files for which this process rebuilds the event files itself. For small files,
this is faster than starting a new process."""


class EventFileSink:
    """`Sink` for the event files of one attempt: one file for the run, and one file per chart line.

    If records cannot be written, they are kept in memory up to a limit, and are written later. If the limit is
    exceeded, the files are removed, since a file with missing points would be misleading. `runfolio tensorboard` then
    writes complete files.
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
        self._files: dict[RecordPath, AppendFile] = {}
        """Event files by folder: one file for the run, and one file for each line of a chart."""
        self._rebuild: subprocess.Popen[str] | None = None
        self._records: defaultdict[RecordPath, bytearray] = defaultdict(bytearray)
        self._has_points = False
        self._has_config = False
        self._is_failing = False

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
        self._encoder = EventEncoder(document.charts)
        self._header = self._encoder.header(now)
        self._file_name = path.name
        self._files = {path.parent: AppendFile(path, self._header)}
        if earlier:
            with contextlib.suppress(OSError, RunfolioError):  # after an error, earlier files keep abandoned points
                self._rebuild_earlier()

    def points(self, calls: Sequence[LogCall]) -> None:
        self._has_points = True
        self._append(lambda: b"".join(map(self._encoder.scalars, calls)))
        for (chart, line), record in itertools.chain.from_iterable(map(self._encoder.lines, calls)):
            folder = line_folder(self._folder, chart, line)
            if folder not in self._files:
                self._files[folder] = AppendFile(folder / self._file_name, self._header)
            self._records[folder] += record

    def media(self, entry: MediaEntry, file_content: bytes | None) -> None:
        self._append(
            lambda: self._encoder.medium(entry.time_us, entry.step, entry.kind, entry.name, entry.content, file_content)
        )

    def document(self, document: RunDocument) -> None:
        """Write all received data to the event files, without syncing them.

        Hyperparameters can be written only once, and scripts may set some of them after `init`. They are therefore
        written only after the first points.
        """
        self._document = document
        if self._has_points and document.config:
            self._append_config()
        self._write()

    def lost(self, reason: str) -> None:
        self._give_up(reason)

    def close(self) -> None:
        """Write the results and the run's end, close the file, and wait for the program that `open` started.

        If the process was preempted or the run continues, this method does not wait for the program.
        """
        if self._files:
            ended = self._document.status.ended
            ended_s = ended.timestamp() if ended else time.time()
            self._append_config()
            self._append(lambda: self._encoder.results(self._document, ended_s))
            self._append(lambda: self._encoder.session_end(self._document, ended_s))
            self._write()
            for file in self._files.values():
                with contextlib.suppress(OSError):
                    file.close(sync=False)
        if self._rebuild is not None and self._document.status.state not in (RUNNING, "preempted"):
            self._rebuild.wait()

    def _rebuild_earlier(self) -> None:
        """Rebuild the event files of earlier attempts.

        The current process does this if the files are small and Arrow is already loaded. Otherwise, a new process is
        started.
        """
        paths = [*event_files(self._folder).values(), *RecordPath(self._folder, METRICS).entries()]
        size = sum(path.status().st_size for path in paths)
        if "pyarrow" in sys.modules and size <= _SMALL_BYTES:
            from runfolio.events.rebuild import follow_branch

            follow_branch(self._folder)
        else:
            self._rebuild = self._start_module(_REBUILD, os.fspath(self._folder))

    def _append_config(self) -> None:
        if not self._has_config:
            self._has_config = True
            self._append(lambda: self._encoder.session_start(self._document))

    def _append(self, encode: Callable[[], bytes]) -> None:
        try:
            self._records[RecordPath(self._folder)] += encode()
        except Exception as error:  # the encoder has a bug
            self._give_up(error)

    def _write(self) -> None:
        failure: tuple[AppendFile, OSError] | None = None
        for folder, file in self._files.items():
            try:
                if folder.parts and not file.size:  # the file belongs to a line of a chart
                    folder.parent.mkdir()
                    folder.mkdir()
                file.write(bytes(self._records.pop(folder, b"")))
            except OSError as error:
                failure = file, error
        if failure is None:
            self._is_failing = False
        elif self._waiting_bytes() > _MOST_WAITING_BYTES:
            self._give_up(failure[1])
        elif not self._is_failing:
            self._is_failing = True
            file, error = failure
            self._warn(
                "run %s: cannot write %s (%s); the write will be retried",
                self._document.id,
                file.path,
                error.strerror or error,
            )

    def _waiting_bytes(self) -> int:
        return sum(file.waiting for file in self._files.values()) + sum(map(len, self._records.values()))

    def _give_up(self, reason: object) -> NoReturn:
        """Remove the files and end this sink.

        Raises:
            StoreError: Always.
        """
        files, self._files = self._files, {}
        for file in files.values():
            with contextlib.suppress(OSError):
                file.close(sync=False)
                file.path.unlink(missing_ok=True)
        raise StoreError(
            f"the event file was removed ({reason}); `runfolio tensorboard` writes a new one from the record"
        )
