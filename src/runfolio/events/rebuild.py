"""Writing of a run's event files from its record: for runs without them, and after a resume.

As a program (`python -m runfolio.events.rebuild FOLDER`), it does the work for a resume, so that the training process
does not need Arrow for it.
"""

from __future__ import annotations

import heapq
import secrets
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from runfolio.events.event_encoder import EventEncoder
from runfolio.record.base.layout import event_file, event_files
from runfolio.record.base.run_document import Attempt, RunDocument
from runfolio.record.content import media
from runfolio.record.content.media import MediaEntry
from runfolio.record.liveness.heartbeats import Heartbeat
from runfolio.record.points.reader import PointFiles


def make_event_files(folder: Path) -> None:
    """Write the event files of a run without a writer, one per attempt of its newest branch.

    Raises:
        DamagedFile, NewerFormat, StoreError: As in `RunDocument.read` and `PointFiles`.
        OSError: The files cannot be written.
    """
    document = RunDocument.read(folder)
    _write(folder, document, document.attempts)


def follow_branch(folder: Path) -> None:
    """Remove abandoned points from the event files of earlier attempts, after a resume.

    TensorBoard would show them: its own purge by step fits only runs whose metrics count the same steps. It also uses
    the first hyperparameters and the first end of a run that it reads.

    Raises:
        DamagedFile, NewerFormat, StoreError, OSError: As in `make_event_files`.
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
    # Writers are encoded one after another, so that a long run is never in memory at once.
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
    """Return the records of an attempt's log calls and of its media, each with its seq."""
    last = document.attempts[-1].kept.get(attempt.writer, sys.maxsize)
    calls = PointFiles(folder, document).log_calls(attempt.writer)
    entries, _ = media.read(folder)
    return (
        ((call.seq, encoder.scalars(call)) for call in calls),
        (
            (entry.seq, _medium(entry, encoder))
            for entry in entries
            if entry.writer == attempt.writer and entry.seq <= last
        ),
    )


def _medium(entry: MediaEntry, encoder: EventEncoder) -> bytes:
    """Encode one medium; empty if its line or image is damaged, which readers of the record report."""
    try:
        picture = entry.path.read_bytes() if entry.path else None
        return encoder.medium(entry.time_us, entry.step, entry.kind, entry.name, entry.content, picture)
    except (OSError, AttributeError, KeyError, TypeError, ValueError, struct.error):
        return b""


def _event_path(folder: Path, attempt: Attempt) -> Path:
    if path := event_files(folder).get(attempt.writer):
        return path
    heartbeat = Heartbeat.read(folder, attempt.writer)
    host, pid = (heartbeat.host, heartbeat.pid) if heartbeat else ("unknown", 0)
    return event_file(folder, attempt.writer, int(attempt.started.timestamp()), host, pid)


def _replace(path: Path, records: list[bytes]) -> None:
    # Not `files.replace`: TensorBoard reads every file with a matching name, also hidden ones.
    temporary = path.with_name(f".tmp-{secrets.token_hex(4)}-events")
    try:
        temporary.write_bytes(b"".join(records))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    follow_branch(Path(sys.argv[1]))
