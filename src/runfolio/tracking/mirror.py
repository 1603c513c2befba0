"""The run's event file, so that TensorBoard shows what the record holds.

The writer thread hands it what it has just brought to the record. Nothing here is ever raised or waited for: what the
disk does not take waits, within bounds, and is tried again; past them the file is given up and the record goes on.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runfolio.events.event_encoder import EventEncoder
from runfolio.record.alive import hostname
from runfolio.record.append import AppendFile
from runfolio.record.document import RunDocument
from runfolio.record.layout import event_file, next_event_second
from runfolio.record.tail import LogCall
from runfolio.tracking.telling import log

_MOST_WAITING_BYTES = 64 * 1024 * 1024


class Mirror:
    """One attempt's event file."""

    def __init__(self, folder: Path, document: RunDocument) -> None:
        now = time.time()
        *earlier, newest = document.attempts
        # Behind those of earlier attempts, which a fork has yet to make.
        second = next_event_second(folder, max([now, *(entry.started.timestamp() + 1 for entry in earlier)]))
        self.path = event_file(folder, newest.writer, second, hostname(), os.getpid())
        self._run_id = document.id
        self._encoder = EventEncoder()
        self._file = AppendFile(self.path, self._encoder.header(now))
        self._records = bytearray()
        self._has_points = False
        self._told_config = False
        self._failing = False
        self._given_up = False

    def scalars(self, call: LogCall) -> None:
        """One log call, as the record has it."""
        self._has_points = True
        self._take(lambda: self._encoder.scalars(call))

    def medium(
        self, time_us: int, step: int, kind: str, name: str, content: Mapping[str, Any], picture: bytes | None
    ) -> None:
        """One medium; `picture` is the PNG of an image or a figure."""
        self._take(lambda: self._encoder.medium(time_us, step, kind, name, content, picture))

    def write(self, document: RunDocument) -> None:
        """Hand what was taken to the operating system.

        With the first points go the hyperparameters: they can be told only once, and a script that sets some behind
        `init` has done so by then.
        """
        if self._has_points and document.config:
            self._tell_config(document)
        self._write()

    def end(self, document: RunDocument) -> None:
        """The results and how the run ended; then close the file."""
        ended = document.status.ended.timestamp() if document.status.ended else time.time()
        self._tell_config(document)
        self._take(lambda: self._encoder.results(document, ended))
        self._take(lambda: self._encoder.session_end(document, ended))
        self._write()
        with contextlib.suppress(OSError):
            self._file.close(sync=False)

    def _tell_config(self, document: RunDocument) -> None:
        if not self._told_config:
            self._told_config = True
            self._take(lambda: self._encoder.session_start(document.without_secrets()))

    def _take(self, encode: Callable[[], bytes]) -> None:
        if not self._given_up:
            try:
                self._records += encode()
            except Exception as error:  # a bug of ours costs the picture of the run, never the run
                self.give_up(error)

    def _write(self) -> None:
        if self._given_up:
            return
        records, self._records = bytes(self._records), bytearray()
        try:
            self._file.write(records)
            self._failing = False
        except OSError as error:
            self._fails(error)

    def _fails(self, error: OSError) -> None:
        if self._file.waiting > _MOST_WAITING_BYTES:
            self.give_up(error)
        elif not self._failing:
            self._failing = True
            log.warning("run %s: cannot write %s (%s); tried again", self._run_id, self.path, error.strerror or error)

    def give_up(self, why: object) -> None:
        """A file that lacks what the record has would mislead; without one, it is made from the record."""
        self._given_up = True
        log.warning(
            "run %s: no event file is written any more (%s); `runfolio tensorboard` makes one from the record",
            self._run_id,
            why,
        )
        with contextlib.suppress(OSError):
            self._file.close(sync=False)
            self.path.unlink(missing_ok=True)
