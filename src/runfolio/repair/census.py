"""List of the log calls in each file of a run. It reveals lost calls and prevents duplicates in repairs.

A writer is a process that logs to the run. Its newest points are in a tail, a file with one JSON line per log call.
Sealing a tail moves its points to a segment, which is a Parquet file. A media list has one JSON line per media call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from runfolio.errors import NewerFormat, RunfolioError, StoreError
from runfolio.record.base.layout import MEDIA, METRICS
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import RunDocument
from runfolio.record.checkpoints import manifests
from runfolio.record.points import seq_ranges
from runfolio.record.points.seq_ranges import SeqRanges
from runfolio.repair.findings import Finding, Severity, describe_error
from runfolio.repair.line_scan import Lines, is_media, is_tail, scan_media, scan_tail
from runfolio.repair.row_groups import SegmentScan, scan_segment

_SCAN_ATTEMPTS = 5
"""Maximum number of scans. A scan starts again if a tail was sealed and deleted in the meantime."""
ScanT = TypeVar("ScanT")


@dataclass
class Census:
    tails: list[Lines] = field(default_factory=list)
    segments: list[SegmentScan] = field(default_factory=list)
    media: list[Lines] = field(default_factory=list)
    empty_files: list[RecordPath] = field(default_factory=list)
    """Tails and media lists without content."""
    unread: list[Finding] = field(default_factory=list)
    """Findings for files that this version cannot check."""

    def points(self, *excluded: Lines | SegmentScan) -> SeqRanges:
        """Return the log calls whose points are readable in a file that is not in `excluded`."""
        ranges = [segment.ranges for segment in self.segments if segment.is_whole and segment not in excluded]
        return seq_ranges.merge(*ranges, *(lines.readable for lines in self.tails if lines not in excluded))

    def all_calls(self) -> SeqRanges:
        """Return every log call whose points or media are in a readable part of a file."""
        partial_ranges = [segment.readable for segment in self.segments if not segment.is_whole]
        return seq_ranges.merge(self.points(), *partial_ranges, self.media_calls())

    def media_calls(self) -> SeqRanges:
        return seq_ranges.merge(*(lines.readable for lines in self.media))


def take_census(folder: Path, attempts: Mapping[str, int]) -> Census:
    """Read all files of a run that contain points or media.

    Raises:
        StoreError: The files keep changing.
    """
    for _ in range(_SCAN_ATTEMPTS):
        census = Census()
        points = RecordPath(folder, METRICS).files()
        tails = [path for path in points if is_tail(path.name)]
        segments = [path for path in points if path.name.startswith("segment-") and path.suffix == ".parquet"]
        pictures = [path for path in RecordPath(folder, MEDIA).files() if is_media(path.name)]
        try:
            # Tails (text files with the newest points) are scanned first. If a tail was sealed and deleted after the
            # listing, the scan then raises FileNotFoundError.
            census.tails = _scan(census, tails, lambda path: scan_tail(path, attempts))
            census.segments = _scan(census, segments, scan_segment)
            census.media = _scan(census, pictures, lambda path: scan_media(path, attempts))
        except FileNotFoundError:
            continue
        return census
    raise StoreError(f"the files of {folder} keep changing; try again")


def noted_positions(folder: Path, document: RunDocument | None) -> dict[str, int]:
    """Return the number of the last log call of each writer that a checkpoint or a resumed attempt refers to."""
    noted = [entry.kept for entry in document.attempts] if document is not None else []
    for name in manifests.names(folder):
        try:
            noted.append(manifests.read(folder, name).position)
        except (OSError, RunfolioError):
            continue
    highest: dict[str, int] = {}
    for position in noted:
        for writer, seq in position.items():
            highest[writer] = max(highest.get(writer, 0), seq)
    return highest


def missing_calls(census: Census, noted: Mapping[str, int]) -> SeqRanges:
    """Return the log calls that were made but are missing in all files."""
    existing = census.all_calls()
    writers = {*existing, *noted, *(writer for segment in census.segments for writer in segment.ranges)}
    expected: SeqRanges = {}
    for writer in writers:
        ends = [last for _, last in existing.get(writer, [])]
        covered = [last for segment in census.segments for _, last in segment.ranges.get(writer, [])]
        if (top := max([*ends, *covered, noted.get(writer, 0)])) >= 1:
            expected[writer] = [(1, top)]
    return subtract(expected, existing)


def _scan(census: Census, paths: Iterable[RecordPath], scan: Callable[[RecordPath], ScanT | None]) -> list[ScanT]:
    results: list[ScanT] = []
    for path in paths:
        try:
            result = scan(path)
        except FileNotFoundError:
            raise
        except (NewerFormat, OSError) as error:
            census.unread.append(Finding(path.relative, Severity.UNCHECKED, describe_error(error, path)))
            continue
        if result is None:
            census.empty_files.append(path)
        else:
            results.append(result)
    return results


def covered_ranges(readable: SeqRanges, media: SeqRanges) -> SeqRanges:
    """Return the ranges of log calls that a segment with the calls `readable` covers. Calls that logged media between
    two of these calls are included."""
    covered: SeqRanges = {}
    for writer, ranges in seq_ranges.merge(readable, {writer: media.get(writer, []) for writer in readable}).items():
        own = deque(seq_ranges.merge({writer: readable[writer]})[writer])
        for _, last in ranges:
            inside = []
            while own and own[0][0] <= last:
                inside.append(own.popleft())
            if inside:
                covered.setdefault(writer, []).append((inside[0][0], inside[-1][1]))
    return covered


def subtract(outer: SeqRanges, inner: SeqRanges) -> SeqRanges:
    """Return the log calls of `outer` that are not in `inner`. Writers without remaining calls are omitted."""
    difference: SeqRanges = {}
    inner_ranges = seq_ranges.merge(inner)
    for writer, ranges in seq_ranges.merge(outer).items():
        holes = deque(inner_ranges.get(writer, []))
        for first, last in ranges:
            while first <= last:
                while holes and holes[0][1] < first:
                    holes.popleft()
                hole = holes[0] if holes else (last + 1, last + 1)
                if first < hole[0]:
                    difference.setdefault(writer, []).append((first, min(last, hole[0] - 1)))
                first = hole[1] + 1
    return difference
