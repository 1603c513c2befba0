"""Scan segments, which are Parquet files of points. Segments consist of row groups, which are blocks of rows. Row
groups are read separately, so a damaged page affects only one of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from runfolio.errors import DamagedFile
from runfolio.record.base.record_path import RecordPath
from runfolio.record.points import arrow_arrays, parquet_bounds, seq_ranges
from runfolio.record.points.row_merging import Rows as Block
from runfolio.record.points.segment_files import Segment
from runfolio.record.points.seq_ranges import SeqRanges
from runfolio.repair.findings import describe_error

_COLUMNS = ["metric", "step", "time_us", "value", "attempt", "writer", "seq"]
_SHOWN = ["step", "time_us", "value", "attempt"]
"""Columns that are needed to show points, in addition to the name of the metric."""


@dataclass(eq=False)
class SegmentScan:
    """Readable content and damage of a segment, found by reading every page."""

    path: RecordPath
    problem: str | None = None
    """Description of the damage."""
    ranges: SeqRanges = field(default_factory=dict)
    """Log calls that the segment covers according to its footer, or an empty dict if the footer is unreadable."""
    readable: SeqRanges = field(default_factory=dict)
    """Log calls with readable rows."""
    lost: list[str] = field(default_factory=list)
    """Descriptions of the unreadable row groups, based on the footer."""
    is_partly_readable: bool = False
    """True if the steps, times and values of a row group are readable, but the identity of its log calls is not."""

    @property
    def is_whole(self) -> bool:
        return self.problem is None

    def readable_rows(self) -> tuple[list[str], list[str], Iterator[Block]]:
        """Return the metrics, the writers, and the readable rows, which contain indices into both lists.

        Raises:
            FileNotFoundError: The file is missing.
            DamagedFile: Nothing is readable.
        """
        segment = Segment.open(self.path)
        segment.damaged = True  # makes `blocks` skip unreadable parts
        metrics, writers = segment.names(), sorted(self.ranges)
        return metrics, writers, segment.blocks(_codes(metrics), _codes(writers))

    def first_calls(self) -> Iterator[tuple[str, int, int]]:
        """Return the writer, attempt and time (us) of the first readable log call of each writer."""
        _, writers, blocks = self.readable_rows() if self.readable else ([], [], iter(()))
        first: dict[tuple[int, int], int] = {}
        for block in blocks:
            for key in np.unique(block[["writer", "attempt"]]).tolist():
                own = (block["writer"] == key[0]) & (block["attempt"] == key[1])
                first[key] = min(first.get(key, sys.maxsize), int(block["time_us"][own].min()))
        return ((writers[code], attempt, time_us) for (code, attempt), time_us in first.items())


def scan_segment(path: RecordPath) -> SegmentScan:
    """Read every page of a segment.

    Raises:
        FileNotFoundError: The file is missing.
        NewerFormat: A newer version of runfolio wrote the segment.
    """
    try:
        scan = SegmentScan(path, ranges=Segment.open(path).ranges)
        source = parquet_bounds.open_file(path)
        parquet_file = pq.ParquetFile(source, page_checksum_verification=True)
    except DamagedFile as error:
        return SegmentScan(path, describe_error(error, path))
    for number in range(parquet_file.metadata.num_row_groups):
        try:
            parquet_bounds.check_group(source, parquet_file.metadata, number, _COLUMNS)
        except pa.ArrowException as error:
            scan.problem = f"is damaged ({error})"
            scan.lost.append(_describe(parquet_file, number))
            continue
        try:
            scan.readable = seq_ranges.merge(scan.readable, _calls(_read(parquet_file, number)))
        except (pa.ArrowException, OSError, ValueError) as error:
            scan.problem = f"is damaged ({str(error).partition(chr(10))[0]})"
            scan.lost.append(_describe(parquet_file, number))
            scan.is_partly_readable = scan.is_partly_readable or _is_readable_in_part(parquet_file, number)
    if scan.problem is None and not _agrees(scan):
        scan.problem = "is damaged (the log calls in its footer differ from those in its rows)"
    if scan.problem is not None:
        _, writers, blocks = scan.readable_rows()
        scan.readable = seq_ranges.merge(*(calls_of(block, writers) for block in blocks))
    return scan


def calls_of(block: Block, writers: Sequence[str]) -> SeqRanges:
    """Return the log calls that have points in a block of rows."""
    return {str(writers[code]): _ranges(block["seq"][block["writer"] == code]) for code in np.unique(block["writer"])}


def exclude_calls(block: Block, writers: Sequence[str], excluded: SeqRanges) -> Block:
    """Return the rows of a block that do not belong to the log calls in `excluded`."""
    double = np.zeros(len(block), dtype=bool)
    for code, writer in enumerate(writers):
        for first, last in excluded.get(writer, ()):
            double |= (block["writer"] == code) & (block["seq"] >= first) & (block["seq"] <= last)
    return block[~double]


def _codes(names: Sequence[str]) -> dict[str, int]:
    return {name: code for code, name in enumerate(names)}


def _read(parquet_file: pq.ParquetFile, number: int) -> pa.Table:
    """Return all columns of a row group.

    Raises:
        ArrowException, OSError: A page cannot be read.
        ValueError: The row group does not match the footer, or has missing values.
    """
    rows = parquet_file.read_row_group(number, columns=_COLUMNS, use_threads=False)
    if any(column.null_count for column in rows.columns):
        raise ValueError("some points have missing values")
    names = _names(parquet_file, number)
    if names is not None and rows.num_rows:
        bounds = pc.min_max(rows["metric"]).as_py()  # type: ignore[attr-defined] - created at run time
        if names != (bounds["min"], bounds["max"]):
            raise ValueError(f"its footer names different metrics for row group {number}")
    return rows


def _is_readable_in_part(parquet_file: pq.ParquetFile, number: int) -> bool:
    names = _names(parquet_file, number)
    alone = names is not None and names[0] == names[1]
    try:
        parquet_file.read_row_group(number, columns=[*_SHOWN, *(() if alone else ("metric",))], use_threads=False)
    except (pa.ArrowException, OSError):
        return False
    return True


def _describe(parquet_file: pq.ParquetFile, number: int) -> str:
    """Describe a row group by its number of points and its metrics, which are read from the footer."""
    count = parquet_file.metadata.row_group(number).num_rows
    names = _names(parquet_file, number)
    if names is None:
        return f"{count:,} points"
    first, last = names
    return f"{count:,} points of {first}{f' to {last}' if first != last else ''}"


def _names(parquet_file: pq.ParquetFile, number: int) -> tuple[str, str] | None:
    """Return the first and last metric of a row group, or None if the footer does not contain them."""
    group = parquet_file.metadata.row_group(number)
    columns = [group.column(index) for index in range(group.num_columns)]
    bounds = [parquet_bounds.bounds_of_texts(column) for column in columns if column.path_in_schema == "metric"]
    return bounds[0] if bounds else None


def _calls(rows: pa.Table) -> SeqRanges:
    """Return the log calls that have points in a table."""
    writers = rows["writer"].combine_chunks().dictionary_encode()
    codes, seqs = arrow_arrays.to_numpy(writers.indices), arrow_arrays.to_numpy(rows["seq"])
    return {writer: _ranges(seqs[codes == code]) for code, writer in enumerate(writers.dictionary.to_pylist())}


def _ranges(seqs: NDArray[np.int64]) -> list[tuple[int, int]]:
    own = np.unique(seqs)
    breaks = np.flatnonzero(np.diff(own) > 1)
    return list(zip(own[[0, *(breaks + 1)]].tolist(), own[[*breaks, -1]].tolist(), strict=True))


def _agrees(scan: SegmentScan) -> bool:
    """Return whether a segment contains exactly the log calls that its footer lists. Calls in between that logged only
    media need not be in the segment."""
    ends = {writer: [(end, end) for pair in ranges for end in pair] for writer, ranges in scan.ranges.items()}
    return seq_ranges.contains(scan.ranges, scan.readable) and seq_ranges.contains(scan.readable, ends)
