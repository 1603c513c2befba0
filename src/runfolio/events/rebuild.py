"""Writer of TensorBoard event files from the record of a run that has no event files or was resumed.

On a resume, this module runs as a separate program (`python -m runfolio.events.rebuild FOLDER`), because the training
process should not load Arrow.

An attempt is one start of a run. A resume starts a new attempt at a checkpoint and thereby abandons the points that
were logged after it. The newest branch consists of the last attempt and the earlier attempts that it continues.
"""

from __future__ import annotations

import heapq
import struct
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from runfolio.errors import RunfolioError
from runfolio.events.event_encoder import EventEncoder
from runfolio.record.base.layout import event_file, event_files, event_writer, line_event_files, line_folder
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import Attempt, RunDocument
from runfolio.record.content import media
from runfolio.record.content.media import MediaEntry
from runfolio.record.liveness.heartbeats import Heartbeat
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
    run that it reads. Therefore, the rewritten files contain neither of them.

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
    # Only one attempt is encoded at a time, because a long run may not fit into memory.
    for attempt in attempts:
        if attempt is newest or attempt.writer in newest.kept:
            files = _encode(_event_path(folder, attempt), document, attempt)
            for path, records in files.items():
                _replace(path, records)
            written |= files.keys()
    for path in (*event_files(folder).values(), *line_event_files(folder)):
        if path not in written and event_writer(path) in {attempt.writer for attempt in attempts}:
            path.unlink(missing_ok=True)


def _encode(path: RecordPath, document: RunDocument, attempt: Attempt) -> dict[RecordPath, list[bytes]]:
    """Return the encoded records of an attempt for each event file: `path` for the run, and one file per chart line."""
    folder = Path(path.root)
    encoder = EventEncoder(document.charts)
    header = encoder.header(attempt.started.timestamp())
    files = defaultdict(lambda: [header], {path: [header]})
    for item in heapq.merge(*_parts(folder, document, attempt), key=lambda item: item.seq):
        if isinstance(item, MediaEntry):
            files[path].append(_medium(folder, item, encoder))
            continue
        files[path].append(encoder.scalars(item))
        for (chart, line), record in encoder.lines(item):
            files[line_folder(folder, chart, line) / path.name].append(record)
    if attempt is document.attempts[-1]:
        ended = (document.status.ended or attempt.started).timestamp()
        files[path] += (
            encoder.session_start(document),
            encoder.results(document, ended),
            encoder.session_end(document, ended),
        )
    return files


def _parts(folder: Path, document: RunDocument, attempt: Attempt) -> tuple[Iterator[LogCall], Iterator[MediaEntry]]:
    """Return an attempt's log calls and media, both sorted by sequence number."""
    last = document.attempts[-1].kept.get(attempt.writer, sys.maxsize)
    entries, _ = media.read(folder)
    return (
        PointFiles(folder, document).log_calls(attempt.writer),
        (entry for entry in entries if entry.writer == attempt.writer and entry.seq <= last),
    )


def _medium(folder: Path, entry: MediaEntry, encoder: EventEncoder) -> bytes:
    """Encode one media entry. Return empty bytes if its line or file is damaged. Readers of the record report the
    damage."""
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


def _replace(path: RecordPath, records: list[bytes]) -> None:
    if path.parent.parts:  # the file belongs to a line of a chart
        path.parent.parent.mkdir()
        path.parent.mkdir()
    # TensorBoard reads every file with a matching name, even a hidden file.
    path.replace(lambda temporary: temporary.write_bytes(b"".join(records)), label="events")


if __name__ == "__main__":
    follow_branch(Path(sys.argv[1]))
