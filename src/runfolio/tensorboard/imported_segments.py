"""Segments (Parquet files of points) of an imported run: their names, the integer codes of metrics and writers, and the
ranges of log calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runfolio.record.base.layout import METRICS, segment_path
from runfolio.record.base.record_path import RecordPath
from runfolio.record.points import seq_ranges
from runfolio.record.points.row_merging import Rows
from runfolio.record.points.segment_files import Segment
from runfolio.record.points.seq_ranges import SeqRanges


def open_segments(folder: Path) -> list[Segment]:
    """Open all segments of a run.

    Raises:
        DamagedFile: A segment is damaged.
    """
    paths = RecordPath(folder, METRICS).entries()
    return [Segment.open(path) for path in paths if path.name.startswith("segment-")]


def free_number(folder: Path, writer: str) -> int:
    number = 1
    while segment_path(folder, writer, number).exists():
        number += 1
    return number


def free_segment(folder: Path, writer: str) -> RecordPath:
    return segment_path(folder, writer, free_number(folder, writer))


def covered_calls(rows: Rows, writers: Sequence[str]) -> SeqRanges:
    """Return the range of sequence numbers of each writer's log calls. Numbers without a row belong to calls that
    logged media.

    Args:
        writers: Ids of the writers, in the order of their codes in the rows.
    """
    ranges: SeqRanges = {}
    for code, writer in enumerate(writers):
        seqs = rows["seq"][rows["writer"] == code]
        if len(seqs):
            ranges[writer] = [(int(seqs.min()), int(seqs.max()))]
    return ranges


def segment_codes(segments: Sequence[Segment]) -> tuple[SeqRanges, dict[str, int], dict[str, int]]:
    """Return the ranges of log calls in several segments, and the integer codes of their metrics and writers."""
    ranges = seq_ranges.merge(*(segment.ranges for segment in segments))
    names = sorted({name for segment in segments for name in segment.names()})
    return ranges, {name: code for code, name in enumerate(names)}, {name: n for n, name in enumerate(sorted(ranges))}
