"""Conversion of a run's text files of points to Parquet (sealing), and merging of the Parquet files (compaction).

A tail is a text file with the newest points, and a segment is a Parquet file with sorted points. Sealing converts a
tail to a segment, and compaction merges segments. Sweeping deletes a file if segments cover the file. A segment covers
a log call if it contains all points of the call.

The module is also a program, `python -m runfolio.record.points.compaction seal|compact FOLDER WRITER N`. It seals or
compacts, and then sweeps. A training process starts this program to seal long tails. The training process itself
therefore does not load Arrow, use additional memory, or wait for the interpreter lock.

If the process is killed at any moment, every log call is still in an intact file. A file is deleted only after the
segment that covers it is safe on the disk. For this purpose, the segment is synced and renamed, and then the folder is
synced.
"""

from __future__ import annotations

import itertools
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runfolio.errors import DamagedFile, NewerFormat
from runfolio.record.base import disk
from runfolio.record.base.layout import METRICS, segment_path, tail_path
from runfolio.record.base.record_path import HIDDEN, RecordPath
from runfolio.record.liveness.heartbeats import is_over
from runfolio.record.points import segment_files, seq_ranges
from runfolio.record.points.row_merging import ROW, Rows, empty_rows, lookup_codes, merge_rows, sort_rows
from runfolio.record.points.segment_files import LargeFooterError, Segment
from runfolio.record.points.seq_ranges import SeqRanges
from runfolio.record.points.tail_columns import Tail

STALE_VIEW_S = 120.0
"""Seconds for which a file is kept on a network disk after a segment (Parquet file) contains all of its points. Readers
of such a disk may see an outdated listing of the folder."""
ABANDONED_S = 3600.0
"""Age in seconds after which a hidden file counts as abandoned and is deleted. If the process that created the file was
only suspended, only its unfinished work is lost. The process cannot rename the deleted file, and it deletes no other
file before the rename."""
_ROWS_AT_ONCE = 131_072
"""Maximum number of points in memory, for runs of any size."""
_SMALLEST_BLOCK = 8192
"""Minimum number of points that are read from one file at once, since smaller blocks are slow."""
_BUSY_NICE = 10
T = TypeVar("T")
TailCoverage = dict[RecordPath, SeqRanges]
"""Ranges of log calls that each tail (text file with the newest points) contains. A tail with a damaged line gets no
ranges, so it is not deleted."""


def seal_tail(folder: Path, writer: str, number: int) -> TailCoverage:
    """Write tail `number` of `writer`, a text file that is no longer extended, as a segment (Parquet file) of the same
    number.

    The tail is kept until `sweep` deletes it. The segment does not contain the damaged lines of the tail.
    """
    try:
        tail = Tail.open(tail_path(folder, writer, number))
        return _write(folder, writer, number, [], [tail]) if tail is not None else {}
    except FileNotFoundError:  # another process has replaced the tail with a segment
        return {}


def compact(folder: Path, writer: str, number: int) -> TailCoverage:
    """Merge all readable points of the run's segments (Parquet files) and closed tails (text files) into segment
    `number` of `writer`.

    Tails that other writers may still extend are skipped. The tails of `writer` must be flushed. A damaged file is
    neither changed nor counted as covered, so it can be repaired later. If one segment cannot hold all points, each
    tail becomes a separate segment.
    """
    damaged: set[RecordPath] = set()
    while True:
        segments = [segment for segment in _segments(folder) if segment.path not in damaged]
        try:
            return _write(folder, writer, number, segments, _closed_tails(folder, writer))
        except FileNotFoundError:
            if not RecordPath(folder, METRICS).exists():
                return {}  # the run was deleted
            continue  # another process has compacted the run in the meantime
        except DamagedFile:
            damaged_paths = {segment.path for segment in segments if segment.damaged}
            if not damaged_paths:
                raise
            damaged |= damaged_paths
        except LargeFooterError:
            return _seal_each(folder, writer, number)


def _seal_each(folder: Path, writer: str, number: int) -> TailCoverage:
    """Write each closed tail (text file) as a segment (Parquet file) of `writer`. The segments are numbered from
    `number`."""
    coverage: TailCoverage = {}
    for tail in list(_closed_tails(folder, writer)):
        with suppress(FileNotFoundError):  # another process replaced the tail with a segment
            coverage |= _write(folder, writer, number, [], [tail])
    return coverage


def _closed_tails(folder: Path, writer: str) -> Iterator[Tail]:
    """Return the tails (text files with the newest points) of `writer` and of all writers that have ended."""
    return (tail for tail in _tails(folder) if tail.writer == writer or is_over(folder, tail.writer))


def sweep(folder: Path, *, after_s: float | None = None, coverage: TailCoverage | None = None) -> int:
    """Delete the tails and segments whose log calls are all in other segments, and return the number of deleted files.

    Tails that may still be written to are kept. A file is also kept if the only segment that covers it has unreadable
    pages. Files that cannot be deleted stay in the folder and do no harm. Temporary files of killed processes are also
    deleted.

    Args:
        after_s: Minimum age in seconds of a segment before the files that it covers are deleted. The default is 0 on a
            local disk and `STALE_VIEW_S` on other disks.
        coverage: Result of sealing or compacting. If it is passed, the tails are not read again.
    """
    if after_s is None:
        after_s = 0.0 if disk.is_local(folder) else STALE_VIEW_S
    metrics = RecordPath(folder, METRICS)
    now = _disk_time(metrics)
    _sweep_abandoned(metrics, now)
    segments = _segments(folder)
    covered: list[RecordPath] = []
    intact: list[Segment] = []
    for segment in segment_files.widest_first(segments):
        if _is_held(segment.ranges, intact):
            covered.append(segment.path)
        elif now - _modified_at(segment.path, now) >= after_s:
            intact.append(segment)
    sealed = {segment.path.stem.removeprefix("segment-") for segment in segments}
    intact_ranges = seq_ranges.merge(*(segment.ranges for segment in intact))
    for tail in _tails(folder) if intact else ():
        # A segment has the same name as a tail only if the writer has closed the tail.
        closed = tail.path.stem.removeprefix("tail-") in sealed or is_over(folder, tail.writer)
        if closed and _is_held((coverage or {}).get(tail.path) or _complete_ranges(tail, intact_ranges), intact):
            covered.append(tail.path)
    if covered:
        metrics.sync()  # the process that renamed the covering segment may not have synced the folder
    return sum(map(_unlink, covered))


def _write(folder: Path, writer: str, number: int, segments: Sequence[Segment], tails: Iterable[Tail]) -> TailCoverage:
    """Merge segments (Parquet files) and tails (text files) into one segment, unless a segment already contains all
    points. The memory is bounded.

    Raises:
        DamagedFile: A page of a segment cannot be read.
        FileNotFoundError: A tail was deleted, because another segment covers its log calls.
    """
    coverage: TailCoverage = {}
    with _SortedTailRows(RecordPath(folder, METRICS)) as tail_rows:
        ranges = seq_ranges.merge(*(segment.ranges for segment in segments))
        for tail in tails:
            tail_rows.add(tail)
            ranges = seq_ranges.merge(ranges, tail.ranges)
            coverage[tail.path] = {} if tail.damaged else tail.ranges
        path = _free_path(folder, writer, number, ranges)
        if path is None or any(seq_ranges.contains(segment.ranges, ranges) for segment in segments):
            return coverage
        parts = segment_files.select_needed(segments)[0]
        names = sorted({name for segment in parts for name in segment.names()}.union(tail_rows.metrics))
        metrics = {name: index for index, name in enumerate(names)}
        writers = {name: index for index, name in enumerate(sorted(ranges))}
        size = max(_ROWS_AT_ONCE // (len(parts) + tail_rows.chunk_count), _SMALLEST_BLOCK)
        streams = [segment.blocks(metrics, writers, size) for segment in parts]
        streams += tail_rows.streams(metrics, writers, size)
        segment_files.write(path, merge_rows(streams), names, list(writers), ranges)
    return coverage


class _SortedTailRows:
    """Sorted points of tails (text files with the newest points). A small number of points is kept in memory. A larger
    number is stored in chunks of an unnamed file."""

    def __init__(self, folder: RecordPath) -> None:
        self.metrics: dict[str, int] = {}
        """Code (number) of each metric, in order of appearance. `_writers` contains the codes of the writers."""
        self._writers: dict[str, int] = {}
        self._rows: list[Rows] = []
        with folder.opened() as (_, path):
            # The path ends in "/.", so that the unnamed file is not created through a link.
            self._file = tempfile.TemporaryFile(dir=f"{path}/.", prefix=HIDDEN, buffering=0)  # noqa: SIM115
        self._chunk_bounds = [0]
        """Row numbers at which the chunks of the file start and end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, tail: Tail) -> None:
        """Add a tail.

        Raises:
            FileNotFoundError: The tail was deleted.
            OSError: There is no space on the disk.
        """
        writer = self._writers.setdefault(tail.writer, len(self._writers))
        codes = np.empty(0, np.int32)
        for calls in tail.slices():
            new = [*itertools.islice(tail.names, len(codes), None)]
            codes = np.append(codes, [self.metrics.setdefault(name, len(self.metrics)) for name in new]).astype(
                np.int32
            )
            self._rows.append(tail.rows(calls, codes, writer))
            if sum(map(len, self._rows)) >= _ROWS_AT_ONCE:
                self._spill()

    def streams(self, metrics: Mapping[str, int], writers: Mapping[str, int], size: int) -> list[Iterator[Rows]]:
        """Return one stream per chunk.

        Each stream yields sorted rows with the given codes, in blocks of `size` rows.
        """
        translate = lookup_codes(self.metrics, metrics), lookup_codes(self._writers, writers)
        last = np.concatenate([empty_rows(), *self._rows])
        self._rows = []
        return [
            *(self._blocks(start, stop, size, *translate) for start, stop in itertools.pairwise(self._chunk_bounds)),
            iter([sort_rows(_translate_codes(last, *translate))]),
        ]

    @property
    def chunk_count(self) -> int:
        return len(self._chunk_bounds)

    def _spill(self) -> None:
        rows = np.concatenate(self._rows)
        self._rows = []
        order = _ranks(self.metrics), _ranks(self._writers)
        rows = sort_rows(_translate_codes(rows, *order))
        # Rows are stored with the codes of names instead of the positions of the names in sorted order. Later names
        # change the sorted positions, but not the relative order of earlier names.
        rows = _translate_codes(rows, *(np.argsort(ranks).astype(np.int32) for ranks in order))
        rows.tofile(self._file)
        self._chunk_bounds.append(self._chunk_bounds[-1] + len(rows))

    def _blocks(
        self, start: int, stop: int, size: int, metrics: NDArray[np.int32], writers: NDArray[np.int32]
    ) -> Iterator[Rows]:
        for offset in range(start, stop, size):
            data = os.pread(self._file.fileno(), min(size, stop - offset) * ROW.itemsize, offset * ROW.itemsize)
            yield _translate_codes(np.frombuffer(bytearray(data), ROW), metrics, writers)


def _ranks(names: Mapping[str, int]) -> NDArray[np.int32]:
    """Return the position of each name in sorted order, by the code (number) of the name."""
    return lookup_codes(names, {name: rank for rank, name in enumerate(sorted(names))})


def _translate_codes(rows: Rows, metrics: NDArray[np.int32], writers: NDArray[np.int32]) -> Rows:
    """Replace the codes (numbers) of metrics and writers in the rows with new codes, in place."""
    rows["metric"] = metrics[rows["metric"]]
    rows["writer"] = writers[rows["writer"]]
    return rows


def _free_path(folder: Path, writer: str, number: int, ranges: SeqRanges) -> RecordPath | None:
    """Return an unused path for a segment (Parquet file) with the log calls of `ranges`, or None if no segment is
    needed."""
    while (path := segment_path(folder, writer, number)).exists():
        segment = _open_readable(Segment.open, path)
        if segment is not None and seq_ranges.contains(segment.ranges, ranges):
            return None
        number += 1
    return path if ranges else None


def _segments(folder: Path) -> list[Segment]:
    return [
        segment
        for path in _matching_paths(folder, "segment-", ".parquet")
        if (segment := _open_readable(Segment.open, path))
    ]


def _tails(folder: Path) -> Iterator[Tail]:
    return (tail for path in _matching_paths(folder, "tail-", ".jsonl") if (tail := _open_readable(Tail.open, path)))


def _matching_paths(folder: Path, start: str, end: str) -> list[RecordPath]:
    paths = RecordPath(folder, METRICS).entries()
    return [path for path in paths if path.name.startswith(start) and path.name.endswith(end)]


def _open_readable(open_file: Callable[[RecordPath], T | None], path: RecordPath) -> T | None:
    try:
        return open_file(path)
    except (DamagedFile, NewerFormat, OSError):
        return None


def _complete_ranges(tail: Tail, ranges: SeqRanges) -> SeqRanges:
    """Return the ranges of log calls that a tail (text file) contains.

    Return no ranges if `ranges` does not contain all of them, or if a line is damaged.
    """
    try:
        for _ in tail.slices():
            if tail.damaged or not seq_ranges.contains(ranges, tail.ranges):
                return {}
    except OSError:
        return {}
    return tail.ranges


def _is_held(ranges: SeqRanges, segments: Sequence[Segment]) -> bool:
    """Return whether segments (Parquet files) without unreadable pages contain all log calls of `ranges`."""
    overlapping = [segment for segment in segments if seq_ranges.overlap(segment.ranges, ranges)]
    return (
        bool(ranges)
        and seq_ranges.contains(seq_ranges.merge(*(segment.ranges for segment in overlapping)), ranges)
        and seq_ranges.contains(
            seq_ranges.merge(*(segment.ranges for segment in overlapping if segment.is_whole)), ranges
        )
    )


def _disk_time(folder: RecordPath) -> float:
    """Return the time according to the clock of the disk. A network disk's clock may differ from this machine's
    clock."""
    path = folder.hidden(f"{HIDDEN}{secrets.token_hex(4)}-clock")
    try:
        os.close(path.create())
        return path.status().st_mtime
    except OSError:
        return time.time()
    finally:
        _unlink(path)


def _sweep_abandoned(folder: RecordPath, now: float) -> None:
    for path in folder.all_entries():
        if path.name.startswith(HIDDEN) and now - _modified_at(path, now) >= ABANDONED_S:
            _unlink(path)


def _modified_at(path: RecordPath, now: float) -> float:
    try:
        return path.status().st_mtime
    except OSError:
        return now


def _unlink(path: RecordPath) -> int:
    try:
        path.unlink()
    except OSError:
        return 0
    return 1


if __name__ == "__main__":
    os.nice(_BUSY_NICE)  # training has priority over this program
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    task, folder, writer, number = sys.argv[1:]
    coverage = {"seal": seal_tail, "compact": compact}[task](Path(folder), writer, int(number))
    sweep(Path(folder), coverage=coverage)
