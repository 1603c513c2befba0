"""The event files of a run made from its record: for runs that had none, and after a resume.

Run as a program (`python -m runfolio.events.rebuild FOLDER`) it does what a resume needs, so that the training
process needs no Arrow for it.
"""

from __future__ import annotations

import heapq
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from runfolio.events.event_encoder import EventEncoder
from runfolio.record.base.layout import event_file, event_files
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import Attempt, RunDocument
from runfolio.record.content import media
from runfolio.record.content.media import MediaEntry
from runfolio.record.liveness.heartbeats import Heartbeat
from runfolio.record.points.reader import PointFiles


def make_event_files(folder: Path) -> None:
    """Write the event files of a run that nobody writes any more, one for each attempt that its newest branch keeps.

    Raises:
        DamagedFile, NewerFormat, StoreError, OSError: As `RunDocument.read` and `PointFiles` do; or no room.
    """
    document = RunDocument.read(folder)
    _write(folder, document, document.attempts)


def follow_branch(folder: Path) -> None:
    """After a resume: take out of the earlier attempts' event files what the new one abandoned.

    TensorBoard would show it (its own rule, to purge by step, fits only runs whose metrics all count the same steps),
    and of the hyperparameters and the end of a run it believes the first that it meets.

    Raises:
        As `make_event_files`.
    """
    document = RunDocument.read(folder)
    earlier = document.attempts[:-1]
    _write(folder, document, earlier)
    abandoned = {attempt.writer for attempt in earlier} - document.attempts[-1].kept.keys()
    for writer, path in event_files(folder).items():
        if writer in abandoned:
            path.unlink(missing_ok=True)


def _write(folder: Path, document: RunDocument, attempts: list[Attempt]) -> None:
    newest = document.attempts[-1]
    attempts_on_branch = [attempt for attempt in attempts if attempt is newest or attempt.writer in newest.kept]
    # Encoded one writer after the other, so that not all of a long run is in memory at once.
    for attempt in attempts_on_branch:
        encoder = EventEncoder()
        records = [encoder.header(attempt.started.timestamp())]
        records += (record for _, record in heapq.merge(*_parts(folder, document, attempt, encoder)))
        if attempt is newest:
            ended = document.status.ended or attempt.started
            records += (
                encoder.session_start(document),
                encoder.results(document, ended.timestamp()),
                encoder.session_end(document, ended.timestamp()),
            )
        _replace(_event_path(folder, attempt), records)


def _parts(
    folder: Path, document: RunDocument, attempt: Attempt, encoder: EventEncoder
) -> tuple[Iterator[tuple[int, bytes]], Iterator[tuple[int, bytes]]]:
    """The records of an attempt's log calls and of its media, each with its seq."""
    last = document.attempts[-1].kept.get(attempt.writer, sys.maxsize)
    calls = PointFiles(folder, document).log_calls(attempt.writer)
    entries, _ = media.read(folder)
    return (
        ((call.seq, encoder.scalars(call)) for call in calls),
        (
            (entry.seq, _medium(folder, entry, encoder))
            for entry in entries
            if entry.writer == attempt.writer and entry.seq <= last
        ),
    )


def _medium(folder: Path, entry: MediaEntry, encoder: EventEncoder) -> bytes:
    """One medium; nothing where its line or picture is damaged, which readers of the record are told of."""
    try:
        picture = media.read_picture(folder, entry)
        return encoder.medium(entry.time_us, entry.step, entry.kind, entry.name, entry.content, picture)
    except (OSError, AttributeError, KeyError, TypeError, ValueError, struct.error):
        return b""


def _event_path(folder: Path, attempt: Attempt) -> RecordPath:
    if path := event_files(folder).get(attempt.writer):
        return path
    heartbeat = Heartbeat.read(folder, attempt.writer)
    host, pid = (heartbeat.host, heartbeat.pid) if heartbeat else ("unknown", 0)
    return event_file(folder, attempt.writer, int(attempt.started.timestamp()), host, pid)


def _replace(path: RecordPath, records: list[bytes]) -> None:
    # TensorBoard reads whatever has its word in the name, a hidden neighbour too.
    path.replace(lambda temporary: temporary.write_bytes(b"".join(records)), label="events")


if __name__ == "__main__":
    follow_branch(Path(sys.argv[1]))
