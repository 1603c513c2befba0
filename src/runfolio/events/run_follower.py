"""Copy of a run as event files in a different folder. The copy can be updated while the run is recorded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runfolio.events.event_encoder import EventEncoder
from runfolio.events.rebuild import encode_attempt, encode_medium
from runfolio.record.base.layout import METRICS, event_file
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import RUNNING, Attempt, RunDocument
from runfolio.record.content import media
from runfolio.record.liveness.heartbeats import joined_heartbeats
from runfolio.record.points.reader import PointFiles


class RunFollower:
    """Event files of one run in a separate folder: one file for the newest attempt (start of the run), and one for each
    earlier attempt that it continues.

    Each call of `update` appends what was recorded since the last call. The record is not changed.
    """

    def __init__(self, folder: Path, target: Path) -> None:
        """Prepare the copy.

        Args:
            folder: Folder of the run.
            target: Folder of the event files. It is created.
        """
        self._folder = folder
        self._target = target
        self._attempt: Attempt | None = None
        self._state: object = None
        self.is_complete = False
        """True once the end of the run has been written."""

    def update(self) -> bool:
        """Write new points, media, settings and results. Return False if there was nothing new.

        Raises:
            DamagedFile, NewerFormat: The record cannot be read.
            OSError: The record cannot be read, or the files cannot be written.
        """
        state = self._recorded_state()
        if state == self._state or self.is_complete:
            return False
        document = RunDocument.read(self._folder)
        if not document.attempts:
            return False
        self._target.mkdir(parents=True, exist_ok=True)
        if self._attempt is None or self._attempt.attempt != document.attempts[-1].attempt:
            self._start(document)
        self._encoder.document = document
        is_over = document.status.state != RUNNING
        records = b"".join(self._new_records(document, is_over=is_over))
        with self._path.open("ab") as file:
            file.write(records)
        self._state, self.is_complete = state, is_over
        return True

    def _recorded_state(self) -> object:
        """Return the sizes and times of the files that change when something is recorded."""
        folder = RecordPath(self._folder)
        paths = [
            folder / "run.json",
            *RecordPath(self._folder, METRICS).files(),
            *RecordPath(self._folder, media.MEDIA).files(),
        ]
        state = []
        for path in paths:
            try:
                status = path.status()
            except FileNotFoundError:
                continue
            state.append((path.name, status.st_size, status.st_mtime_ns))
        return state

    def _start(self, document: RunDocument) -> None:
        """Write the files of earlier attempts, and start the file of the newest attempt."""
        *earlier, newest = document.attempts
        for path in self._target.glob("events.out.tfevents.*"):
            path.unlink()
        charts: dict[str, Any] = {}
        second = 0
        for attempt in earlier:
            if attempt.writer in newest.kept:
                path, second = self._path_of(attempt, second)
                with path.open("wb") as file:
                    file.writelines(encode_attempt(self._folder, document, attempt, charts))
        self._attempt = newest
        self._path, _ = self._path_of(newest, second)
        self._encoder = EventEncoder(document, charts)
        self._path.write_bytes(self._encoder.header(newest.started.timestamp()))
        self._seen_points: dict[str, int] = {}
        self._seen_media: dict[str, int] = {}
        self._providers: dict[str, str] = {}
        self._has_start = False

    def _path_of(self, attempt: Attempt, after: int) -> tuple[Path, int]:
        """Return the path of an attempt's file, and the time in its name. This time, in whole seconds since 1970, is
        later than `after`."""
        second = max(int(attempt.started.timestamp()), after + 1)
        name = event_file(self._folder, attempt.writer, second, "runfolio", os.getpid()).name
        return self._target / name, second

    def _new_records(self, document: RunDocument, *, is_over: bool) -> Iterator[bytes]:
        attempt, encoder = document.attempts[-1], self._encoder
        joined = [
            heartbeat.writer
            for heartbeat in joined_heartbeats(self._folder, document)
            if heartbeat.attempt == attempt.attempt
        ]
        points = PointFiles(self._folder, document)
        entries, _ = media.read(self._folder)
        for writer in [attempt.writer, *joined]:
            seen = self._seen_points.get(writer, 0)
            for call in points.log_calls(writer):
                if call.seq > seen:
                    self._seen_points[writer] = call.seq
                    values = {
                        name: value
                        for name, value in call.values.items()
                        if self._providers.setdefault(name, writer) == writer
                    }
                    yield encoder.scalars(call._replace(values=values))
            seen = self._seen_media.get(writer, 0)
            for entry in entries:
                if entry.writer == writer and entry.attempt == attempt.attempt and entry.seq > seen:
                    self._seen_media[writer] = entry.seq
                    yield encode_medium(entry, encoder)
        if not self._has_start and (is_over or self._seen_points) and document.config:
            self._has_start = True
            yield encoder.session_start()
        ended = document.status.ended or attempt.started
        yield encoder.new_charts(ended.timestamp())
        if is_over:
            yield encoder.results(ended.timestamp())
            yield encoder.session_end(ended.timestamp())
