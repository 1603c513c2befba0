"""Repair of a run that no process writes to. Damaged files are kept in `damaged/`, so no byte is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np

from runfolio.errors import RunfolioError, StoreError
from runfolio.record import spool
from runfolio.record.base import damaged_files
from runfolio.record.base.layout import ALIVE, DAMAGED, MEDIA, RUN_FILE, new_id, segment_path
from runfolio.record.base.plurals import counted
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import Attempt, RunDocument, Status, now
from runfolio.record.base.schema import shorten_damage
from runfolio.record.content import media, run_edits
from runfolio.record.content.media import MediaEntry
from runfolio.record.liveness import claims
from runfolio.record.liveness.heartbeats import BeatHistory
from runfolio.record.points import compaction, segment_files, seq_ranges, tails
from runfolio.record.points.row_merging import ROW, sort_rows
from runfolio.record.points.seq_ranges import SeqRanges
from runfolio.record.points.tails import LogCall
from runfolio.record.spool import spools_of
from runfolio.repair import leftovers
from runfolio.repair.activity import heartbeat_by_writer, is_at_work
from runfolio.repair.census import Census, covered_ranges, subtract, take_census
from runfolio.repair.checkup import attempts_of, read_document
from runfolio.repair.findings import Severity
from runfolio.repair.line_scan import Lines, media_calls, tail_calls
from runfolio.repair.row_groups import SegmentScan, exclude_calls


def mend(folder: Path, history: BeatHistory) -> list[str]:
    """Repair a run without losing a byte, and return one sentence per repair.

    Do not change a run if a process may still be writing to it, or if its `run.json` could not be checked.

    Raises:
        StoreError: A file cannot be written. Repairs that were already made remain.
    """
    document, problem = read_document(folder)
    if is_at_work(folder, history) or (problem is not None and problem.severity is Severity.UNCHECKED):
        return []
    try:
        return list(_mend(folder, document))
    except OSError as error:
        raise StoreError(f"cannot repair {folder}: {error.strerror or error}") from None


def _mend(folder: Path, document: RunDocument | None) -> Iterator[str]:
    for stored_spool in spools_of(folder):
        yield f"moved {spool.bring_back(stored_spool):,} bytes from the spool {stored_spool.folder} into the run"
    census = take_census(folder, attempts_of(folder, document))
    if document is None:
        yield _rebuild_document(folder, census)
    elif document.damage:
        yield _rewrite_document(folder, document, census)
    writer, number = new_id(), 0  # the names of new segments contain this id, which no other process uses
    for damaged in [segment for segment in census.segments if not segment.is_whole and not segment.is_partly_readable]:
        number += 1
        yield _save_segment(folder, damaged, census, segment_path(folder, writer, number))
    for lines in [lines for lines in census.tails if lines.header or lines.damaged]:
        number += 1
        yield _save_tail(folder, lines, census, segment_path(folder, writer, number))
    for lines in [lines for lines in census.media if lines.header or lines.damaged]:
        yield _save_media(folder, lines)
    for path in _unneeded_files(folder):
        yield f"moved {path.relative} to {_set_aside(path)}"
    if leftovers.sealable_tails(census) and not any(lines.disordered for lines in census.tails):
        number += 1
        compaction.compact(folder, writer, number)
        compaction.sweep(folder)
        yield f"sealed {counted(len(leftovers.sealable_tails(census)), 'tail')}"
    for path in leftovers.stale_files(folder):
        path.unlink(missing_ok=True)
        yield f"removed {path.relative}"


def _set_aside(path: RecordPath) -> str:
    """Move a damaged file to `damaged/`, and return its new path relative to the run's folder."""
    target = damaged_files.free_path(path)
    path.rename(target)
    return target.relative


def _unneeded_files(folder: Path) -> list[RecordPath]:
    """Return damaged files that no reader needs and that have no recoverable content."""
    beats = [
        RecordPath(folder, ALIVE, f"{writer}.json")
        for writer, beat in heartbeat_by_writer(folder).items()
        if beat is None
    ]
    return [*beats, *(path for path, error in run_edits.find_damaged(folder) if isinstance(error, RunfolioError))]


def _save_segment(folder: Path, damaged: SegmentScan, census: Census, target: RecordPath) -> str:
    """Copy the readable row groups of a segment (a Parquet file of points) to a new segment, and move the damaged
    segment to `damaged/`."""
    name = damaged.path.relative
    elsewhere = census.points(damaged)
    saved_calls = subtract(damaged.readable, elsewhere)
    if saved_calls:
        ranges = covered_ranges(saved_calls, census.media_calls())
        metrics, writers, blocks = damaged.readable_rows()
        segment_files.write(
            target, (exclude_calls(block, writers, elsewhere) for block in blocks), metrics, writers, ranges
        )
        census.segments.append(SegmentScan(target, ranges=ranges, readable=saved_calls))
    census.segments.remove(damaged)
    new_path = _set_aside(damaged.path)
    return _describe_save(name, saved_calls, target, new_path)


def _save_tail(folder: Path, lines: Lines, census: Census, target: RecordPath) -> str:
    """Copy the readable lines of a tail (a text file with the newest points) to a new segment, and move the damaged
    tail to `damaged/`."""
    name = lines.path.relative
    elsewhere = census.points(lines)
    saved_calls = subtract(lines.readable, elsewhere)
    if saved_calls:
        ranges = covered_ranges(saved_calls, census.media_calls())
        metrics = sorted({name for call in tail_calls(lines) for name in call.values})
        rows = list(_rows(lines, elsewhere, {name: new_path for new_path, name in enumerate(metrics)}))
        segment_files.write(target, [sort_rows(np.array(rows, ROW))], metrics, [lines.writer], ranges)
        census.segments.append(SegmentScan(target, ranges=ranges, readable=saved_calls))
    census.tails.remove(lines)
    new_path = _set_aside(lines.path)
    return _describe_save(name, saved_calls, target, new_path)


def _rows(lines: Lines, elsewhere: SeqRanges, codes: Mapping[str, int]) -> Iterator[tuple]:
    """Yield the points of a tail that no other file contains, as arrays of dtype `ROW`."""
    existing = elsewhere.get(lines.writer, [])
    for call in tail_calls(lines):
        if not any(first <= call.seq <= last for first, last in existing):
            for name, value in call.values.items():
                yield codes[name], lines.attempt, 0, call.seq, call.step, call.time_us, value


def _describe_save(name: str, saved_calls: SeqRanges, target: RecordPath, new_path: str) -> str:
    if not saved_calls:
        return f"moved {name} to {new_path}: other files contain all its readable log calls"
    calls = counted(seq_ranges.size(saved_calls), "log call")
    return f"copied {calls} from {name} to {target.name}, and moved {name} to {new_path}"


def _save_media(folder: Path, lines: Lines) -> str:
    """Copy the readable lines of a media list to a new list, and move the damaged list to `damaged/`."""
    name = lines.path.relative
    target = _free_media(folder, lines.writer)
    header = tails.header(lines.writer, lines.attempt)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(header)
            file.writelines(line for line, _ in media_calls(lines))

    if lines.calls:
        target.replace(write, sync=True)
    new_path = _set_aside(lines.path)
    return f"copied {lines.calls:,} lines from {name} to {target.name}, and moved {name} to {new_path}"


def _free_media(folder: Path, writer: str) -> RecordPath:
    number = 2  # the name of the first list contains no number
    while (path := media.index_path(folder, writer, number)).exists():
        number += 1
    return path


def _rebuild_document(folder: Path, census: Census) -> str:
    """Rebuild a missing or unreadable `run.json` from the other files.

    If the run was resumed, keep all its points, because it is unknown which points the last attempt abandoned.
    """
    path = RecordPath(folder, RUN_FILE)
    moved = f"; the damaged file is now {_set_aside(path)}" if path.exists() else ""
    match = re.fullmatch(r"(.+)-([0-9a-z]{8})", folder.name)
    name, run_id = match.groups() if match else (folder.name, new_id())
    attempts = _attempts(folder, census)
    document = RunDocument(run_id, name, folder.parent.name, attempts[0].started, attempts=attempts)
    beat = heartbeat_by_writer(folder).get(attempts[-1].writer)
    document.status = Status(beat.end) if beat is not None and beat.end else Status()
    document.notes = f"run.json was lost; `runfolio doctor` rebuilt it on {now():%Y-%m-%d} from the other files."
    document.write(folder, sync=True)
    return f"rebuilt {RUN_FILE} from the other files: {run_id}, {counted(len(document.attempts), 'attempt')}{moved}"


def _rewrite_document(folder: Path, document: RunDocument, census: Census) -> str:
    """Write `run.json` without its damaged fields. If all attempts are lost, derive them from other files."""
    text = shorten_damage(document.damage)
    document.attempts = document.attempts or _attempts(folder, census)
    document.write(folder, sync=True)
    return f"wrote {RUN_FILE} without damaged fields ({text}); a copy of the damaged file is in {DAMAGED}"


def _attempts(folder: Path, census: Census) -> list[Attempt]:
    """Derive the attempts of a run from its heartbeats and from the files with its points."""
    writers = _writers(folder, census)
    ranks = {writer: beat for writer, beat in heartbeat_by_writer(folder).items() if beat is not None}
    last = {writer: ranges[-1][1] for writer, ranges in census.all_calls().items() if ranges}
    attempts: list[Attempt] = []
    for number in sorted({attempt for attempt, _ in writers.values()}):
        own = [writer for writer, (attempt, _) in writers.items() if attempt == number]
        claim = claims.read(folder, number)
        claimed = claim.writer if claim is not None else None
        first = min(own, key=lambda writer: (writer != claimed, writer not in ranks, writers[writer][1], writer))
        last_seqs = {writer: last.get(writer, 0) for writer, (attempt, _) in writers.items() if attempt < number}
        parent = attempts[-1].attempt if attempts else None
        started = datetime.fromtimestamp(min(writers[writer][1] for writer in own) / 1e6, UTC)
        attempts.append(Attempt(number, parent, last_seqs, first, started))
    return attempts or [Attempt(1, None, {}, new_id(), now())]


def _writers(folder: Path, census: Census) -> dict[str, tuple[int, int]]:
    """Return the attempt of each writer, and the time (us) of the writer's first log call. A writer without log calls
    gets the current time."""
    now_us = int(now().timestamp() * 1e6)
    writers = {writer: (attempt, now_us) for writer, attempt in attempts_of(folder, None).items()}

    def note(writer: str, attempt: int, time_us: int) -> None:
        writers[writer] = (attempt, min(time_us, writers.get(writer, (attempt, now_us))[1]))

    for lines in (*census.tails, *census.media):
        for call in islice(_calls(lines), 1):
            note(lines.writer, lines.attempt, call.time_us)
    for segment in census.segments:
        for writer, attempt, time_us in segment.first_calls():
            note(writer, attempt, time_us)
    return writers


def _calls(lines: Lines) -> Iterator[LogCall | MediaEntry]:
    return (call for _, call in media_calls(lines)) if lines.path.parts[0] == MEDIA else tail_calls(lines)
