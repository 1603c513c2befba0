"""Group of all sinks of a run. A sink, such as a writer of TensorBoard event files, receives a copy of the recorded
data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from runfolio.errors import RunfolioError
from runfolio.record.base.run_document import RunDocument
from runfolio.record.content import media
from runfolio.record.liveness.heartbeats import Heartbeat
from runfolio.record.points import tails
from runfolio.record.sink import Sink
from runfolio.tracking.pipeline.background_log import log
from runfolio.tracking.pipeline.encoder import EncodedBatch, EncodedMedia, EncodedPoints


class SinkGroup:
    """Group that passes written data to each sink, and removes a sink that fails.

    The group calls the sinks as `Sink` specifies. All methods are called on the thread that writes the record, and no
    method raises an error.
    """

    def __init__(self, sinks: Iterable[Sink], folder: Path, document: RunDocument, heartbeat: Heartbeat) -> None:
        self._sinks = list(sinks)
        self._folder = folder
        self._document = document
        self._heartbeat = heartbeat

    def open(self) -> None:
        self._call_each(lambda sink: sink.open(self._document.without_secrets(), self._last_steps))

    def write(self, batches: Iterable[EncodedBatch]) -> None:
        """Pass batches to the sinks after the batches were written to the record.

        The batches are decoded from their lines. A sink therefore receives the same data as a reader of the record.
        Runs without sinks skip the decoding.
        """
        if not self._sinks:
            return
        for batch in batches:
            if isinstance(batch, EncodedPoints):
                self._write_points(batch)
            else:
                self._write_media(batch)

    def save_document(self) -> None:
        """Pass the run document to the sinks. This method is called after every write to the record."""
        self._call_each(lambda sink: sink.document(self._document.without_secrets()))

    def report_loss(self, reason: str) -> None:
        """Report to the sinks (receivers of a copy) that they did not receive a part of the record."""
        self._call_each(lambda sink: sink.lost(reason))

    def close(self) -> None:
        sinks, self._sinks = self._sinks, []
        for sink in sinks:
            try:
                sink.close()
            except Exception as error:
                self._log_failure(sink, error)

    def _write_points(self, points: EncodedPoints) -> None:
        calls = tails.decode(points.lines)
        self._call_each(lambda sink: sink.points(calls))

    def _write_media(self, encoded: EncodedMedia) -> None:
        entry = media.decode(self._folder, encoded.line, self._heartbeat.writer, self._heartbeat.attempt)
        if entry is not None:
            content = next(iter(encoded.files.values()), None)
            self._call_each(lambda sink: sink.media(entry, content))

    def _last_steps(self) -> Mapping[str, int]:
        if len(self._document.attempts) == 1:
            return {}
        from runfolio.record.checkpoints import resume_points  # imports Arrow, which few sinks need

        return resume_points.last_steps(self._folder, self._document)

    def _call_each(self, call: Callable[[Sink], None]) -> None:
        for sink in tuple(self._sinks):
            try:
                call(sink)
            except Exception as error:
                self._sinks.remove(sink)
                self._log_failure(sink, error)
                with contextlib.suppress(Exception):
                    sink.close()

    def _log_failure(self, sink: Sink, error: Exception) -> None:
        if isinstance(error, RunfolioError):
            log.warning("run %s: %s", self._document.id, error)
        else:
            log.warning(
                "run %s: %s failed and receives nothing more; the record is complete without it",
                self._document.id,
                type(sink).__name__,
                exc_info=error,
            )
