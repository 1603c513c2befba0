"""Segments: sealed points in one Parquet file, sorted by metric (`docs/format.md`, Segments)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from runfolio.errors import DamagedFile
from runfolio.record import files
from runfolio.record.layout import FORMAT
from runfolio.record.tail import Tail

Ranges = dict[str, list[tuple[int, int]]]
"""Closed, ascending, disjoint ranges of seq for each writer."""

SCHEMA = pa.schema(
    [
        ("metric", pa.string()),
        ("step", pa.int64()),
        ("time_us", pa.int64()),
        ("value", pa.float64()),
        ("attempt", pa.int32()),
        ("writer", pa.string()),
        ("seq", pa.int64()),
    ]
)
SORT_KEYS = [(key, "ascending") for key in ("metric", "attempt", "writer", "seq")]
_METADATA_KEY = b"runfolio"
OWN_GROUP_POINTS = 10_000
"""From this many points on a metric has row groups of its own."""
_LARGEST_GROUP = 1_000_000


def rows_of(tails: Sequence[Tail]) -> pa.Table:
    """The points of tails as a table of `SCHEMA`, unsorted."""
    columns: dict[str, list] = {name: [] for name in SCHEMA.names}
    for tail in tails:
        for call in tail.calls:
            count = len(call.values)
            columns["metric"].extend(call.values)
            columns["value"].extend(call.values.values())
            for name, entry in (
                ("step", call.step),
                ("time_us", call.time_us),
                ("attempt", tail.attempt),
                ("writer", tail.writer),
                ("seq", call.seq),
            ):
                columns[name].extend([entry] * count)
    return pa.table(columns, schema=SCHEMA)


def write(path: Path, table: pa.Table, covers: Ranges) -> None:
    """Write a segment: by temporary file, fsync, rename.

    Args:
        table: Rows of `SCHEMA`, in any order.
        covers: The log calls whose every point is in `table`.
    """
    metadata = {_METADATA_KEY: orjson.dumps({"runfolio": FORMAT, "covers": covers})}
    ordered = table.select(SCHEMA.names).cast(SCHEMA).sort_by(SORT_KEYS).replace_schema_metadata(metadata)
    files.replace(path, lambda temporary: _write_groups(temporary, ordered), sync=True)


def _write_groups(path: Path, table: pa.Table) -> None:
    with pq.ParquetWriter(
        path,
        table.schema,
        compression="zstd",
        use_dictionary=["metric", "attempt", "writer"],  # type: ignore[arg-type] - the stubs know only bool
        column_encoding={
            "step": "DELTA_BINARY_PACKED",
            "time_us": "DELTA_BINARY_PACKED",
            "value": "BYTE_STREAM_SPLIT",
            "seq": "DELTA_BINARY_PACKED",
        },
        write_page_checksum=True,
        write_statistics=["metric"],  # type: ignore[arg-type] - the stubs know only bool
    ) as writer:
        for start, stop in _groups(table):
            writer.write_table(table.slice(start, stop - start), row_group_size=_LARGEST_GROUP)


def _groups(table: pa.Table) -> Iterator[tuple[int, int]]:
    """Row ranges of the row groups: one a large metric, small neighbours together."""
    begun = 0
    for _, start, stop in metric_ranges(table["metric"]):
        if stop - start >= OWN_GROUP_POINTS:
            if begun < start:
                yield begun, start
            yield start, stop
            begun = stop
        elif stop - begun >= OWN_GROUP_POINTS:
            yield begun, stop
            begun = stop
    if begun < table.num_rows:
        yield begun, table.num_rows


def metric_ranges(column: pa.ChunkedArray) -> Iterator[tuple[str, int, int]]:
    """Each metric of a column sorted by metric, with its rows [start, stop)."""
    if len(column) == 0:
        return
    codes = column.combine_chunks().dictionary_encode()
    ends = np.flatnonzero(np.diff(codes.indices.to_numpy())) + 1
    start = 0
    for stop in [*ends.tolist(), len(column)]:
        name = codes.dictionary[codes.indices[start].as_py()].as_py()
        yield name, start, stop
        start = stop


@dataclass
class Segment:
    """An opened segment; its rows are read on demand."""

    path: Path
    covers: Ranges
    _file: pq.ParquetFile

    @classmethod
    def open(cls, path: Path) -> Segment:
        """Open a segment and read its footer.

        Raises:
            FileNotFoundError: It is gone (covered by another one and deleted meanwhile).
            DamagedFile: It is not a whole Parquet file of the expected columns.
            NewerFormat: A newer runfolio wrote it.
        """
        try:
            opened = pq.ParquetFile(path, page_checksum_verification=True)
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise DamagedFile(f"{path} is damaged ({_first_line(error)})") from None
        try:
            about = orjson.loads((opened.metadata.metadata or {})[_METADATA_KEY])
            covers = {writer: [(int(a), int(b)) for a, b in ranges] for writer, ranges in about["covers"].items()}
        except (AttributeError, KeyError, TypeError, ValueError):
            raise DamagedFile(f"{path} is damaged (it does not say which log calls it covers)") from None
        files.check_format(about, path)
        found = {entry.name: entry.type for entry in opened.schema_arrow}
        if wrong := [entry.name for entry in SCHEMA if found.get(entry.name) != entry.type]:
            raise DamagedFile(f"{path} is damaged (it lacks {', '.join(wrong)}, or not of the expected type)")
        return cls(path, covers, opened)

    def names(self) -> list[str]:
        """The metrics in it, sorted."""
        return [name for name, _, _ in metric_ranges(self._read(None, ["metric"])["metric"])]

    def read(self, metric: str | None, columns: Sequence[str]) -> pa.Table:
        """The rows of one metric (None: all), sorted as in the file.

        Raises:
            DamagedFile: A page of it fails its checksum or cannot be decoded.
        """
        if metric is None:
            return self._read(None, columns)
        groups, shared = self._groups_with(metric)
        if not groups:
            return pa.schema([SCHEMA.field(name) for name in columns]).empty_table()
        table = self._read(groups, list(dict.fromkeys([*columns, "metric"])) if shared else columns)
        if shared:
            table = table.filter(is_metric(table, metric)).select(list(columns))
        return table

    def _groups_with(self, metric: str) -> tuple[list[int], bool]:
        """Row groups that may hold `metric`, and whether any of them may hold others too."""
        groups, shared = [], False
        metadata = self._file.metadata
        index = self._file.schema_arrow.names.index("metric")
        for number in range(metadata.num_row_groups):
            statistics = metadata.row_group(number).column(index).statistics
            if statistics is None or not statistics.has_min_max:
                groups.append(number)
                shared = True
            elif statistics.min <= metric <= statistics.max:
                groups.append(number)
                shared = shared or statistics.min != statistics.max
        return groups, shared

    def _read(self, groups: list[int] | None, columns: Sequence[str]) -> pa.Table:
        try:
            if groups is None:
                rows = self._file.read(columns=list(columns), use_threads=False)
            else:
                rows = self._file.read_row_groups(groups, columns=list(columns), use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise DamagedFile(f"{self.path} is damaged ({_first_line(error)})") from None
        if any(column.null_count for column in rows.columns):
            raise DamagedFile(f"{self.path} is damaged (points without a value in every column)")
        return rows


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def is_metric(rows: pa.Table, metric: str) -> pa.Array:
    """Which rows are of `metric`; [n] bool."""
    return pc.equal(rows["metric"], metric)  # type: ignore[attr-defined] - made at run time


def without(rows: pa.Table, seen: Ranges) -> pa.Table:
    """`rows` but those of log calls in `seen`."""
    if not seen or rows.num_rows == 0:
        return rows
    writers, seqs = rows["writer"].to_numpy(), rows["seq"].to_numpy()
    doubled = np.zeros(len(seqs), dtype=bool)
    for writer, ranges in seen.items():
        for first, last in ranges:
            doubled |= (writers == writer) & (seqs >= first) & (seqs <= last)
    return rows.filter(pa.array(~doubled)) if doubled.any() else rows


def widest_first(segments: Iterable[Segment]) -> list[Segment]:
    """Segments by the number of log calls they cover, so that a compacted one comes before its parts."""

    def size(opened: Segment) -> int:
        return sum(last - first + 1 for ranges in opened.covers.values() for first, last in ranges)

    return sorted(segments, key=lambda opened: (-size(opened), opened.path.name))


def merge(*several: Ranges) -> Ranges:
    """The union of ranges, each writer's ascending and as few as possible."""
    merged: Ranges = {}
    for writer in {writer for ranges in several for writer in ranges}:
        result: list[tuple[int, int]] = []
        for first, last in sorted(pair for ranges in several for pair in ranges.get(writer, ())):
            if result and first <= result[-1][1] + 1:
                result[-1] = (result[-1][0], max(result[-1][1], last))
            else:
                result.append((first, last))
        merged[writer] = result
    return merged


def contains(outer: Ranges, inner: Ranges) -> bool:
    """Whether every log call of `inner` is in `outer`."""
    return all(
        any(a <= first and last <= b for a, b in outer.get(writer, ()))
        for writer, ranges in inner.items()
        for first, last in ranges
    )
