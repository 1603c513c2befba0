"""Run folder of an imported run: its points, media, artifacts and `run.json`.

All writes can be repeated: the same records always get the same writer and sequence numbers, and readers drop
duplicates. Therefore, an import that was killed continues from its last state (`import_cursor`).
"""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from runfolio.record.base import files
from runfolio.record.base.layout import (
    ALIVE,
    ARTIFACTS,
    CHECKPOINTS,
    CLAIMS,
    FORMAT,
    MEDIA,
    MEDIA_FILES,
    METRICS,
)
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import RUNNING, Attempt, RunDocument, Status, time_to_text
from runfolio.record.content import artifacts, media
from runfolio.record.liveness.heartbeats import End, Heartbeat, Role
from runfolio.record.points import compaction, segment_files, tails
from runfolio.record.points.row_merging import ROW, Rows, sort_rows
from runfolio.tensorboard.event_values import Files, Medium
from runfolio.tensorboard.import_cursor import FilePart, ImportCursor
from runfolio.tensorboard.imported_segments import covered_calls, free_number, free_segment, open_segments
from runfolio.tensorboard.restarts import apply_restarts

_FLUSH_ROWS = 1 << 20
"""Number of points in memory at which they are written to a segment, a Parquet file of points."""
_MOST_SEGMENTS = 8
"""Number of segments at which the segments of a growing run are merged into one."""
_BEAT_S = 5.0


class ImportedRun:
    """Run folder that receives the values of event files."""

    def __init__(self, folder: Path, document: RunDocument, cursor: ImportCursor) -> None:
        self.folder = folder
        self.document = document
        self.cursor = cursor
        self.points_added = self.media_added = self.artifacts_added = 0
        self._columns: dict[str, list[Rows]] = {}
        self._writers: dict[str, int] = {}
        """Integer codes of the writers whose points are in memory, by writer id."""
        self._buffered = 0
        self._media: dict[str, tuple[int, FilePart]] = {}
        """Descriptor of each open media list and the part that it belongs to, by writer id."""

    def make_folders(self) -> None:
        """Create the run folder.

        Raises:
            OSError: The store cannot be written.
        """
        for part in ("", ALIVE, ARTIFACTS, CHECKPOINTS, CLAIMS, MEDIA, f"{MEDIA}/{MEDIA_FILES}", METRICS):
            (self.folder / part).mkdir(parents=True, exist_ok=True)

    def add_points(self, part: FilePart, name: str, seqs: Any, steps: Any, times_us: Any, values: Any) -> None:
        """Add points of one metric, in the order of their sequence numbers."""
        rows = np.zeros(len(seqs), ROW)
        rows["attempt"], rows["seq"], rows["step"] = part.attempt, seqs, steps
        rows["time_us"], rows["value"] = times_us, values
        self._columns.setdefault(name, []).append(rows)
        rows["writer"] = self._writer_code(part.writer)
        self._buffered += len(rows)
        self.points_added += len(rows)

    def flush_if_full(self) -> None:
        """Write the points in memory to a segment if there are many. All points of a log call must have been added."""
        if self._buffered >= _FLUSH_ROWS:
            self.flush()

    def _writer_code(self, writer: str) -> int:
        return self._writers.setdefault(writer, len(self._writers))

    def flush(self) -> None:
        """Write the points in memory to a segment."""
        if self._buffered:
            names, writers = sorted(self._columns), sorted(self._writers)
            recode = np.zeros(len(writers), np.int32)
            for writer, code in self._writers.items():
                recode[code] = writers.index(writer)
            pieces = []
            for number, name in enumerate(names):
                for rows in self._columns[name]:
                    rows["metric"], rows["writer"] = number, recode[rows["writer"]]
                    pieces.append(rows)
            rows = sort_rows(np.concatenate(pieces))
            path = free_segment(self.folder, writers[0])
            segment_files.write(path, [rows], names, writers, covered_calls(rows, writers))
            self._columns.clear()
            self._writers.clear()
            self._buffered = 0
        for descriptor, part in self._media.values():
            os.fsync(descriptor)
            part.media_bytes = os.fstat(descriptor).st_size
            os.close(descriptor)
        self._media.clear()

    def add_medium(self, part: FilePart, seq: int, time_us: int, step: int, medium: Medium) -> None:
        """Add a medium.

        Raises:
            ConfigError: The line of the medium is too long for the media list.
        """
        content = dict(medium.content)
        if medium.suffix:
            name = media.file_name(medium.name, step, part.writer, seq, medium.suffix)
            content = {"file": name, "bytes": len(medium.file), **content}
        line = media.encode(seq, time_us, step, medium.kind, medium.name[:1000], content)
        if medium.suffix:
            media.file_path(self.folder, content["file"]).write_bytes(medium.file)
        _write_all(self._media_list(part), line)
        self.media_added += 1

    def _media_list(self, part: FilePart) -> int:
        if part.writer not in self._media:
            path = media.index_path(self.folder, part.writer)
            header = tails.header(part.writer, part.attempt)
            self._media[part.writer] = _open_for_appending(path, header, part.media_bytes), part
        return self._media[part.writer][0]

    def add_artifact(self, item: Files) -> None:
        """Store files as an artifact."""
        with tempfile.TemporaryDirectory(prefix="runfolio-import-") as temporary:
            source = Path(temporary, "files")
            for name, content in item.files.items():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                (source / name).write_bytes(content)
            self.save_artifact(source, item.name, item.kind)

    def save_artifact(self, source: Path, name: str, kind: str) -> None:
        artifacts.save(self.folder, source, name, kind)
        self.artifacts_added += 1

    # End of an import

    def finish(self, state: Status, *, compacts: bool) -> None:
        """Write everything that is still in memory, and then `logdir.json` and `run.json`.

        Args:
            compacts: Merge the segments of the run into one.
        """
        self.flush()
        self.cursor.write(self.folder)
        apply_restarts(self.folder, self.cursor.parts)
        if compacts or len(open_segments(self.folder)) > _MOST_SEGMENTS:
            self._compact()
        self._update_document(state)
        self._write_writers()
        self.cursor.write(self.folder)
        self.document.without_secrets().write(self.folder, sync=True)

    def _compact(self) -> None:
        if len(open_segments(self.folder)) > 1:
            writer = self.cursor.parts[0].writer
            compaction.compact(self.folder, writer, free_number(self.folder, writer))
            compaction.sweep(self.folder)

    def _update_document(self, state: Status) -> None:
        parts = self.cursor.parts
        self.document.attempts = attempts_of(parts, self.cursor.run, self.document.created)
        self.document.status = state

    def _write_writers(self) -> None:
        primaries = {attempt.writer for attempt in self.document.attempts}
        state = self.document.status.state
        end: End = "failed" if state == "failed" else "finished"
        for part in self.cursor.parts:
            role: Role = "primary" if part.writer in primaries else "process"
            if state == RUNNING:
                Heartbeat.of_this_process(part.writer, part.attempt, _BEAT_S, role).write(self.folder)
                continue
            host = self.document.environment.get("host", "unknown")
            Heartbeat(part.writer, part.attempt, host, "", "", 0, 0.0, _BEAT_S, end=end, role=role).write(self.folder)
        for attempt in self.document.attempts:
            claim = {"attempt": attempt.attempt, "writer": attempt.writer, "host": "", "pid": 0}
            time = time_to_text(attempt.started)
            path = RecordPath(self.folder, CLAIMS, f"attempt-{attempt.attempt}.json")
            files.write_json(path, {"runfolio": FORMAT, **claim, "time": time})


def attempts_of(parts: list[FilePart], main_folder: str, created: datetime) -> list[Attempt]:
    """Return the attempts of a run. Each attempt contains at most one part of each folder.

    The duration of an attempt does not include times that belong to earlier attempts, because several files may have
    been written at the same time.
    """
    attempts: list[Attempt] = []
    covered = -np.inf
    for number in sorted({part.attempt for part in parts}):
        own = sorted((part for part in parts if part.attempt == number), key=lambda part: part.folder != main_folder)
        times = [(part.began, part.ended) for part in own if part.began is not None and part.ended is not None]
        began, ended = min((a for a, _ in times), default=None), max((b for _, b in times), default=None)
        seconds = 0.0 if began is None or ended is None else max(0.0, ended - max(began, covered))
        covered = max(covered, ended if ended is not None else covered)
        kept = {
            part.writer: part.last_seq
            if part.kept_seq is None or not _is_void_in(part, number, parts)
            else part.kept_seq
            for part in parts
            if part.attempt < number
        }
        started = created if began is None else datetime.fromtimestamp(began, UTC)
        parent = attempts[-1].attempt if attempts else None
        attempts.append(Attempt(number, parent, kept, own[0].writer, started, round(min(seconds, 1e10), 6)))
    return attempts


def _is_void_in(part: FilePart, attempt: int, parts: list[FilePart]) -> bool:
    """Return whether a restart made points of an earlier part void, if only restarts up to `attempt` count."""
    return any(
        other.folder == part.folder and part.attempt < other.attempt <= attempt and other.purge_step is not None
        for other in parts
    )


def _open_for_appending(path: RecordPath, header: bytes, size: int) -> int:
    """Open a media list for appending. A missing list is created with its first line.

    Args:
        size: Size of the list after the last import. Bytes after this size come from a killed import and are removed.
    """
    try:
        descriptor = path.create()
    except FileExistsError:
        with path.parent.opened() as (folder, _):
            descriptor = os.open(path.name, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW, dir_fd=folder)
        os.ftruncate(descriptor, min(size, os.fstat(descriptor).st_size))
    if not os.fstat(descriptor).st_size:
        _write_all(descriptor, header)
    return descriptor


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
