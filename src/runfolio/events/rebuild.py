"""Writer of TensorBoard event files from the record of a run that has no event files or was resumed.

On a resume, this module runs as a separate program (`python -m runfolio.events.rebuild FOLDER`), because the training
process should not load Arrow.

An attempt is one start of a run. A resume starts a new attempt at a checkpoint and thereby abandons the points that
were logged after it. The newest branch consists of the last attempt and the earlier attempts that it continues.
"""

from __future__ import annotations

import heapq
import itertools
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runfolio.errors import RunfolioError
from runfolio.events.event_encoder import EventEncoder
from runfolio.record.base.layout import CHARTS, event_file, event_files, event_writer
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import RUNNING, Attempt, RunDocument
from runfolio.record.content import media
from runfolio.record.content.media import MediaEntry
from runfolio.record.liveness.heartbeats import Heartbeat, joined_heartbeats
from runfolio.record.points.reader import PointFiles
from runfolio.record.points.tails import LogCall


def make_event_files(folder: Path) -> None:
    """Write the event files of the attempts on the run's newest branch. No process may be writing to the run.

    Raises:
        DamagedFile, NewerFormat, StoreError: As in `RunDocument.read` and `PointFiles`.
        OSError: The files cannot be written.
    """
    document = RunDocument.read(folder)
    _write(folder, document, document.attempts)


def follow_branch(folder: Path) -> None:
    """Remove abandoned points from the event files of earlier attempts. Call this function after a run is resumed.

    TensorBoard would show the abandoned points. TensorBoard itself removes points by their steps, which works only if
    all metrics of a run count the same steps. TensorBoard also uses the first hyperparameters and the first end of a
    run that it reads. Therefore, the rewritten files contain neither hyperparameters nor an end.

    Raises:
        DamagedFile, NewerFormat, StoreError, OSError: As in `make_event_files`.
    """
    document = RunDocument.read(folder)
    _write(folder, document, document.attempts[:-1])


def _write(folder: Path, document: RunDocument, attempts: list[Attempt]) -> None:
    """Write the files of the attempts on the newest branch, and remove the files of the other attempts."""
    if not attempts:  # no attempt was recorded, or all attempts are damaged
        return
    newest = document.attempts[-1]
    written: set[RecordPath] = set()
    charts: dict[str, Mapping[str, Any]] = {}
    # Only one attempt is encoded at a time, because a long run may not fit into memory.
    for attempt in attempts:
        if attempt is newest or attempt.writer in newest.kept:
            path = _event_path(folder, attempt)
            records = encode_attempt(folder, document, attempt, charts)
            # TensorBoard reads every file with a matching name, even a hidden file.
            path.replace(lambda temporary, records=records: _write_records(temporary, records), label="events")
            written.add(path)
    for path in event_files(folder).values():
        if path not in written and event_writer(path) in {attempt.writer for attempt in attempts}:
            path.unlink(missing_ok=True)
    if (lines := RecordPath(folder, CHARTS)).exists():  # older versions wrote the lines of charts to separate files
        lines.rmtree()


def encode_attempt(
    folder: Path, document: RunDocument, attempt: Attempt, charts: dict[str, Mapping[str, Any]] | None = None
) -> Iterator[bytes]:
    """Yield the encoded records of an attempt.

    Args:
        charts: Charts that earlier attempts defined. The charts of this attempt are added.
    """
    charts = {} if charts is None else charts
    encoder = EventEncoder(document, charts)
    yield encoder.header(attempt.started.timestamp())
    own: set[str] = set()
    entries, _ = media.read(folder)
    calls, own_media = _parts(folder, document, attempt.writer, entries)
    for item in heapq.merge(calls, own_media, key=lambda item: item.seq):
        if isinstance(item, MediaEntry):
            yield encode_medium(item, encoder)
            if item.kind == "layout":
                charts.update(item.content["charts"])
        else:
            own.update(item.values)
            yield encoder.scalars(item)
    yield from _joined(folder, document, attempt, entries, own, encoder)
    is_newest = attempt is document.attempts[-1]
    if is_newest:
        yield encoder.session_start()
    ended = (document.status.ended or attempt.started).timestamp()
    yield encoder.new_charts(ended)
    if is_newest and document.status.state != RUNNING:
        yield encoder.results(ended)
        yield encoder.session_end(ended)


def _joined(
    folder: Path,
    document: RunDocument,
    attempt: Attempt,
    entries: list[MediaEntry],
    own: set[str],
    encoder: EventEncoder,
) -> Iterator[bytes]:
    """Yield the encoded points and media of the processes that joined an attempt. Metrics in `own` are left out,
    because the main process of the attempt logged them. The points are sorted by step, because TensorBoard drops
    earlier points when a lower step follows."""
    parts = [
        _parts(folder, document, heartbeat.writer, entries)
        for heartbeat in joined_heartbeats(folder, document)
        if heartbeat.attempt == attempt.attempt
    ]
    calls = [
        call._replace(values=values)
        for call in itertools.chain.from_iterable(calls for calls, _ in parts)
        if (values := {name: value for name, value in call.values.items() if name not in own})
    ]
    yield from map(encoder.scalars, sorted(calls, key=lambda call: (call.step, call.time_us)))
    joined_media = itertools.chain.from_iterable(own_media for _, own_media in parts)
    for entry in sorted(joined_media, key=lambda entry: (entry.step, entry.time_us)):
        yield encode_medium(entry, encoder)


def _parts(
    folder: Path, document: RunDocument, writer: str, entries: list[MediaEntry]
) -> tuple[Iterator[LogCall], Iterator[MediaEntry]]:
    """Return the log calls and the media of one process on the newest branch, both sorted by sequence number."""
    last = document.attempts[-1].kept.get(writer, sys.maxsize)
    return (
        PointFiles(folder, document).log_calls(writer),
        (entry for entry in entries if entry.writer == writer and entry.seq <= last),
    )


def encode_medium(entry: MediaEntry, encoder: EventEncoder) -> bytes:
    """Encode one media entry. Return empty bytes if its line or file is damaged. Damage is reported by the functions
    that read the record, but not here."""
    try:
        content = None if entry.path is None else entry.read_bytes()
        return encoder.medium(entry.time_us, entry.step, entry.kind, entry.name, entry.content, content)
    except (RunfolioError, OSError, AttributeError, KeyError, TypeError, ValueError, struct.error):
        return b""


def _event_path(folder: Path, attempt: Attempt) -> RecordPath:
    if path := event_files(folder).get(attempt.writer):
        return path
    heartbeat = Heartbeat.read(folder, attempt.writer)
    host, pid = (heartbeat.host, heartbeat.pid) if heartbeat else ("unknown", 0)
    return event_file(folder, attempt.writer, int(attempt.started.timestamp()), host, pid)


def _write_records(path: Path, records: Iterator[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(records)


if __name__ == "__main__":
    (make_event_files if "--all" in sys.argv else follow_branch)(Path(sys.argv[1]))
