"""Segments: Parquet files of points, sorted by metric (`docs/format.md`, Segments)."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from runfolio.errors import DamagedFile
from runfolio.record.base import files
from runfolio.record.base.file_names import writer_id
from runfolio.record.base.layout import FORMAT
from runfolio.record.base.record_path import RecordPath
from runfolio.record.points import arrow_arrays, parquet_bounds, seq_ranges
from runfolio.record.points.metric_summary import MetricSummary
from runfolio.record.points.row_merging import ROW, Key, Rows, empty_rows, find_spans, is_ordered, key_of
from runfolio.record.points.seq_ranges import SeqRanges
from runfolio.record.points.sparkline_buckets import SparklineBuckets
from runfolio.record.points.summarize import (
    ChooseMetrics,
    Overview,
    add_later,
    add_to_sparklines,
    summarize_columns,
)

T = TypeVar("T")
_TEXT = pa.dictionary(pa.int32(), pa.string())
"""In-memory type of the repeated names of metrics and writers. In the file, the names are strings."""
SCHEMA = pa.schema(
    [
        ("metric", _TEXT),
        ("step", pa.int64()),
        ("time_us", pa.int64()),
        ("value", pa.float64()),
        ("attempt", pa.int32()),
        ("writer", _TEXT),
        ("seq", pa.int64()),
    ]
)
_METADATA_KEY = "runfolio"
OWN_GROUP_POINTS = 10_000
"""Minimum number of points for which a metric gets separate row groups (blocks of the file)."""
LARGEST_GROUP = 131_072
"""Maximum number of rows in a row group. This number determines the memory needed for writing."""
BLOCK_ROWS = 65_536
"""Default number of rows to read at once."""


class LargeFooterError(Exception):
    """Raised if a segment was not written, because its footer would be larger than readers accept."""


def write(
    path: RecordPath, blocks: Iterable[Rows], metrics: Sequence[str], writers: Sequence[str], ranges: SeqRanges
) -> None:
    """Write a segment atomically: write and sync a temporary file, rename it, and sync the folder.

    Args:
        blocks: Blocks of rows. The rows are sorted within and across blocks. The blocks are consumed one by one, so
            only a limited amount of memory is used.
        metrics: Names of all metrics, sorted.
        writers: Ids of all writers, sorted.
        ranges: Ranges of log calls whose points are all in the rows.

    Raises:
        LargeFooterError: The rows need more row groups (blocks of rows) than one segment can have.
        OSError: The segment cannot be written.
    """
    path.replace(lambda temporary: fill(temporary, blocks, metrics, writers, ranges), sync=True)


def fill(path: Path, blocks: Iterable[Rows], metrics: Sequence[str], writers: Sequence[str], ranges: SeqRanges) -> None:
    """Write a segment (Parquet file) to a temporary path. The other arguments are the same as for `write`."""
    with pq.ParquetWriter(
        path,
        SCHEMA,
        compression="zstd",
        compression_level=3,
        use_dictionary=["metric", "attempt", "writer"],  # type: ignore[arg-type] - the stubs know only bool
        column_encoding={
            "step": "DELTA_BINARY_PACKED",
            "time_us": "DELTA_BINARY_PACKED",
            "value": "BYTE_STREAM_SPLIT",
            "seq": "DELTA_BINARY_PACKED",
        },
        write_page_checksum=True,
        write_statistics=["metric"],  # type: ignore[arg-type] - the stubs know only bool
        store_schema=False,  # other readers then see names as strings
    ) as writer:
        for group in _row_groups(blocks):
            writer.write_table(_table(group, metrics, writers))
        writer.add_key_value_metadata({_METADATA_KEY: orjson.dumps({"runfolio": FORMAT, "covers": ranges}).decode()})
    _add_checksum(path)


def _add_checksum(path: Path) -> None:
    """Insert a checksum before the footer of a file."""
    with pa.OSFile(str(path)) as written:
        try:
            footer = parquet_bounds.read_footer(written)
        except pa.ArrowInvalid as error:
            raise LargeFooterError(str(error)) from None
    with path.open("r+b") as file:
        file.seek(-len(footer.data), os.SEEK_END)
        file.write(parquet_bounds.checksum_of(footer) + footer.data)


def _row_groups(blocks: Iterable[Rows]) -> Iterator[Rows]:
    """Yield the rows of each row group, which is a block of the file.

    A metric with many points gets separate groups. Adjacent metrics with few points share a group.
    """
    held: list[Rows] = []
    large = -1
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) >= LARGEST_GROUP:
            rows = np.concatenate(held)
            stops, large = _cut_row_groups(rows, large, at_end=False)
            yield from (rows[start:stop] for start, stop in zip([0, *stops], stops, strict=False))
            held = [rows[stops[-1] :].copy() if stops else rows]
    rows = np.concatenate([empty_rows(), *held])
    stops, _ = _cut_row_groups(rows, large, at_end=True)
    yield from (rows[start:stop] for start, stop in zip([0, *stops], stops, strict=False))


def _cut_row_groups(rows: Rows, large: int, *, at_end: bool) -> tuple[list[int], int]:
    """Return the end of each complete row group (block of rows).

    The rows after the last end belong to an incomplete group, unless `at_end` is True.

    Args:
        large: Index of the metric that already has separate row groups, or -1 if there is no such metric. The updated
            value is returned too.
    """
    stops = [0]
    for start, stop in zip(*(bounds.tolist() for bounds in find_spans(rows["metric"])), strict=True):
        metric, complete = int(rows["metric"][start]), at_end or stop < len(rows)
        if stop - start >= OWN_GROUP_POINTS or metric == large:
            full_groups = range(start + LARGEST_GROUP, stop + 1, LARGEST_GROUP)
            stops += [start, *full_groups]
            large = metric if full_groups else large
            if complete:
                stops.append(stop)
        elif complete and (stop - stops[-1] >= OWN_GROUP_POINTS or (at_end and stop == len(rows))):
            stops.append(stop)
    return [stop for stop, before in zip(stops[1:], stops, strict=False) if stop > before], large


def _table(rows: Rows, metrics: Sequence[str], writers: Sequence[str]) -> pa.Table:
    texts = {"metric": metrics, "writer": writers}
    arrays = []
    for name in SCHEMA.names:
        column = rows[name]
        arrays.append(_texts(column, texts[name]) if name in texts else arrow_arrays.from_numpy(column))
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _texts(codes: NDArray[Any], texts: Sequence[str]) -> pa.DictionaryArray:
    starts, stops = find_spans(codes)
    used, inverse = np.unique(codes[starts], return_inverse=True)
    indices = np.repeat(inverse.astype(np.int32), stops - starts)
    named = [str(texts[code]) for code in used.tolist()]
    return pa.DictionaryArray.from_arrays(arrow_arrays.from_numpy(indices), arrow_arrays.texts(named))


@dataclass
class Segment:
    """Segment that was opened for reading. The rows are read on demand."""

    path: RecordPath
    ranges: SeqRanges
    _file: pq.ParquetFile
    _source: pa.OSFile
    damaged: bool = False
    """True once a damaged page has been found. After that, damaged parts are skipped without an error."""

    @classmethod
    def open(cls, path: RecordPath) -> Segment:
        """Open a segment and read its footer.

        Raises:
            FileNotFoundError: The segment was deleted in the meantime, since another segment contains its points.
            DamagedFile: The file is not an intact Parquet file with the expected columns.
            NewerFormat: A newer version of runfolio wrote the segment.
        """
        try:
            source = parquet_bounds.open_file(path)
            parquet_bounds.check_footer(source)
            parquet_file = pq.ParquetFile(source, page_checksum_verification=True, read_dictionary=["metric", "writer"])
            parquet_bounds.check_metadata(source, parquet_file.metadata)
        except (FileNotFoundError, DamagedFile):
            raise
        except (pa.ArrowException, OSError, KeyError) as error:  # KeyError: a column has a different name
            if isinstance(error, OSError) and error.errno == errno.ESTALE:
                raise FileNotFoundError(errno.ENOENT, "deleted on a network disk", str(path)) from None
            raise DamagedFile(f"{path} is damaged ({_first_line(error)})") from None
        try:
            about = orjson.loads((parquet_file.metadata.metadata or {})[_METADATA_KEY.encode()])
            ranges: SeqRanges = {
                writer_id(writer): [_checked_range(first, last) for first, last in pairs]
                for writer, pairs in about["covers"].items()
            }
        except (AttributeError, KeyError, TypeError, ValueError):
            raise DamagedFile(f"{path} is damaged (it does not list the log calls it covers)") from None
        files.check_format(about, path)
        column_types = {entry.name: entry.type for entry in parquet_file.schema_arrow}
        if mismatched := [entry.name for entry in SCHEMA if column_types.get(entry.name) != entry.type]:
            raise DamagedFile(f"{path} is damaged (missing or of an unexpected type: {', '.join(mismatched)})")
        return cls(path, ranges, parquet_file, source)

    def names(self) -> list[str]:
        """Return the metrics in the segment, sorted.

        Raises:
            DamagedFile: A page cannot be read. This error is raised only once per segment.
        """
        names: set[str] = set()
        for group, lowest, highest in self._extent:
            if lowest is not None and lowest == highest:
                names.add(lowest)
            else:
                names.update(*self._batches(group, ["metric"], _names))
        return sorted(names)

    def rows_of(self, metric: str, columns: Sequence[str], writers: Mapping[str, int]) -> Rows:
        """Return the sorted rows of one metric. The metric has the index 0 in these rows.

        Columns that were not requested are also 0.

        Raises:
            DamagedFile: A page fails its checksum or cannot be decoded. This error is raised only once per segment.
        """
        pieces = [empty_rows()]
        for group, lowest, highest in self._extent:
            if lowest is None or highest is None or lowest <= metric <= highest:
                alone = lowest == metric == highest

                def convert(batch: pa.RecordBatch, alone: bool = alone) -> Rows:
                    return _rows(batch if alone else _slice_metric(batch, metric), {metric: 0}, writers)

                pieces += self._batches(group, columns if alone else [*columns, "metric"], convert, LARGEST_GROUP)
        return np.concatenate(pieces) if len(pieces) > 2 else pieces[-1]

    def groups_of(self, metric: str) -> list[int]:
        """Return the row groups that may contain points of a metric."""
        return [
            group
            for group, lowest, highest in self._extent
            if lowest is None or highest is None or lowest <= metric <= highest
        ]

    def columns_of(
        self, metric: str, columns: Sequence[str], groups: Sequence[int] | None = None
    ) -> list[NDArray[Any]] | None:
        """Return numeric columns of one metric as arrays. If the run has a single file, this is the fastest method.

        Return None if the metric is missing or a page cannot be read. In this case, use `rows_of`.

        Args:
            groups: Row groups to read. Default: all groups of the metric.
        """
        groups = self.groups_of(metric) if groups is None else groups
        alone = all(lowest == metric == highest for group, lowest, highest in self._extent if group in groups)
        names = [*columns, *([] if alone else ["metric"])]
        try:
            for group in groups:
                parquet_bounds.check_group(self._source, self._file.metadata, group, names)
            rows = self._file.read_row_groups(groups, columns=names, use_threads=False)
            count = sum(self._file.metadata.row_group(group).num_rows for group in groups)
            if rows.num_rows != count or any(column.null_count for column in rows.columns):
                return None
            parts = [] if alone else [_slice_metric(batch, metric) for batch in rows.to_batches()]
        except parquet_bounds.PAGE_ERRORS:
            return None
        if alone:
            return [arrow_arrays.to_numpy(rows[name]) for name in columns] if rows.num_rows else None
        if not any(part.num_rows for part in parts):
            return None
        # The columns are copied, so that the rows of other metrics are not kept in memory.
        return [np.concatenate([arrow_arrays.to_numpy(part.column(name)) for part in parts]) for name in columns]

    def overview(self, choose: ChooseMetrics) -> Overview | None:
        """Return the summary of each metric, and sparklines of the chosen metrics.

        If the run has a single file, this is the fastest method. Return None if the segment is large or a page cannot
        be read. In this case, use `blocks`.
        """
        metadata, columns = self._file.metadata, ["metric", "step", "value"]
        if metadata.num_rows > LARGEST_GROUP:
            return None
        summaries: dict[str, MetricSummary] = {}
        try:
            for group in range(metadata.num_row_groups):
                parquet_bounds.check_group(self._source, metadata, group, columns)
            rows = self._file.read_row_groups(range(metadata.num_row_groups), columns=columns, use_threads=False)
            if rows.num_rows != metadata.num_rows or any(column.null_count for column in rows.columns):
                return None
            batches: list[tuple[list[str], list[NDArray[Any]]]] = []
            for batch in rows.select(columns).to_batches():
                codes, names = arrow_arrays.decode_dictionary(batch.column(0))
                arrays = [codes, *map(arrow_arrays.to_numpy, batch.columns[1:])]
                batches.append((names, arrays))
                for code, summary in summarize_columns(*arrays):
                    add_later(summaries, names[code], summary)
        except parquet_bounds.PAGE_ERRORS:
            return None
        sparklines = {name: SparklineBuckets() for name in choose(summaries)}
        for names, arrays in batches:
            chosen = {code: sparklines[name] for code, name in enumerate(names) if name in sparklines}
            add_to_sparklines(chosen, *arrays)
        return Overview(dict(sorted(summaries.items())), sparklines)

    def blocks(
        self,
        metrics: Mapping[str, int],
        writers: Mapping[str, int],
        size: int = BLOCK_ROWS,
        chosen: Collection[str] | None = None,
    ) -> Iterator[Rows]:
        """Yield all rows, sorted, in blocks of at most `size` rows.

        Args:
            metrics: Index of each metric in the rows. `writers` contains the index of each writer.
            chosen: Metrics that are needed. Row groups that certainly have no such metric are skipped.
        Raises:
            DamagedFile: A page is damaged, or the rows are not sorted. A damaged page raises this error only once per
                segment.
        """
        last: Key | None = None

        def convert(batch: pa.RecordBatch) -> Rows:
            nonlocal last
            rows = _rows(batch, metrics, writers)
            if not is_ordered(rows) or (last is not None and key_of(rows[0]) <= last):
                raise pa.ArrowInvalid("its points are not sorted")
            last = key_of(rows[-1])
            return rows

        for group, lowest, highest in self._extent:
            if chosen is None or any((lowest or name) <= name <= (highest or name) for name in chosen):
                yield from self._batches(group, SCHEMA.names, convert, size)

    @cached_property
    def is_whole(self) -> bool:
        """True if every page (compressed piece of a column) can be read. To find out, all pages are read."""
        try:
            for group, _, _ in self._extent:
                for _ in self._batches(group, SCHEMA.names, len):
                    pass
        except DamagedFile:
            return False
        return not self.damaged

    @cached_property
    def _extent(self) -> list[tuple[int, str | None, str | None]]:
        """Number of each row group (block of rows), with its first and last metric. A metric is None if the file does
        not state it."""
        metadata = self._file.metadata
        index = next(
            column for column in range(metadata.num_columns) if metadata.schema.column(column).path == "metric"
        )
        extents = []
        for group in range(metadata.num_row_groups):
            bounds = parquet_bounds.bounds_of_texts(metadata.row_group(group).column(index))
            extents.append((group, *(bounds or (None, None))))
        return extents

    def _batches(
        self, group: int, columns: Sequence[str], convert: Callable[[pa.RecordBatch], T], size: int = BLOCK_ROWS
    ) -> Iterator[T]:
        """Yield the result of `convert` for each batch of a row group. DamagedFile is raised only for the first
        damage."""
        missing = self._file.metadata.row_group(group).num_rows
        try:
            parquet_bounds.check_group(self._source, self._file.metadata, group, columns)
            for batch in self._file.iter_batches(size, row_groups=[group], columns=list(columns), use_threads=False):
                if any(column.null_count for column in batch.columns):
                    raise pa.ArrowInvalid("some points have no value in a column")
                missing -= batch.num_rows
                if batch.num_rows:
                    yield convert(batch)
            if missing:  # Arrow may return an empty page instead of a damaged page
                raise pa.ArrowInvalid(f"{missing:,} points are missing")
        except parquet_bounds.PAGE_ERRORS as error:
            if not self.damaged:
                self.damaged = True
                raise DamagedFile(f"{self.path} is damaged ({_first_line(error)})") from None


def _checked_range(first: Any, last: Any) -> tuple[int, int]:
    if not (type(first) is type(last) is int and 0 <= first <= last < 2**63):
        raise ValueError("a range of log calls must be two integers")
    return first, last


def _rows(batch: pa.RecordBatch, metrics: Mapping[str, int], writers: Mapping[str, int]) -> Rows:
    rows = np.zeros(batch.num_rows, ROW)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if not isinstance(column, pa.DictionaryArray):
            rows[name] = arrow_arrays.to_numpy(column)
            continue
        codes_by_name = metrics if name == "metric" else writers
        codes, texts = arrow_arrays.decode_dictionary(column)
        translation = np.array([codes_by_name.get(text, -1) for text in texts], np.int32)
        rows[name] = translation[codes]
        if (rows[name] < 0).any():
            raise pa.ArrowInvalid(f"some points have an unknown {name}")
    return rows


def _names(batch: pa.RecordBatch) -> list[str]:
    codes, texts = arrow_arrays.decode_dictionary(batch.column(0))
    return [texts[code] for code in np.unique(codes[find_spans(codes)[0]]).tolist()]


def _slice_metric(batch: pa.RecordBatch, metric: str) -> pa.RecordBatch:
    codes, texts = arrow_arrays.decode_dictionary(batch.column(batch.schema.names.index("metric")))
    code = texts.index(metric) if metric in texts else -1
    positions = np.flatnonzero(codes == code)
    if not len(positions):
        return batch.slice(0, 0)
    if positions[-1] - positions[0] + 1 != len(positions):
        raise pa.ArrowInvalid("its points are not sorted")
    return batch.slice(positions[0], len(positions))


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def widest_first(segments: Iterable[Segment]) -> list[Segment]:
    """Return the segments sorted by the number of log calls that they contain, in descending order.

    Therefore, a merged segment comes before the segments from which it was made.
    """
    return sorted(segments, key=lambda segment: (-seq_ranges.size(segment.ranges), segment.path.name))


def select_needed(segments: Iterable[Segment]) -> tuple[list[Segment], SeqRanges]:
    """Return the segments that must be read, and the union of the ranges of log calls that these segments cover.

    A segment need not be read if the others contain all of its log calls. A damaged segment counts as empty.
    """
    chosen: list[Segment] = []
    covered: SeqRanges = {}
    for segment in widest_first(segments):
        if segment.damaged:
            chosen.append(segment)
        elif not seq_ranges.contains(covered, segment.ranges):
            chosen.append(segment)
            covered = seq_ranges.merge(covered, segment.ranges)
    return chosen, covered
