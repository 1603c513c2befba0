"""Decoding of tails (text files with the newest points) into columns, in slices of bounded size.

A tail has one line per log call. Sealing replaces a tail with a segment (Parquet file). A range is an interval of
sequence numbers in which no log call is missing.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from runfolio.record.base import file_bounds, files
from runfolio.record.base.json_lines import read_lines, read_slices
from runfolio.record.base.record_path import RecordPath
from runfolio.record.points import seq_ranges, tails
from runfolio.record.points.row_merging import ROW, Rows
from runfolio.record.points.seq_ranges import SeqRanges

SLICE_BYTES = 1 << 18
"""Size in bytes of the slices in which a tail is decoded. A decoded slice takes about ten times as much memory."""


_CHECKED_BYTES = 256
"""Number of bytes before a position from which the checksum of the position is computed."""


class TailPosition(NamedTuple):
    """Position in a tail (text file) after the end of a line."""

    offset: int
    """Number of bytes before the position."""
    checksum: int
    """CRC-32 of the last bytes before the position. The checksum differs if the tail was replaced."""

    @classmethod
    def at(cls, file: BinaryIO, offset: int) -> TailPosition:
        """Return the position at an offset. This method moves the read position of `file`."""
        start = max(0, offset - _CHECKED_BYTES)
        file.seek(start)
        return cls(offset, zlib.crc32(file.read(offset - start)))


@dataclass(frozen=True)
class CallColumns:
    """Log calls of one tail (text file), as one array per column."""

    seqs: NDArray[np.int64]
    """Sequence number of each log call, as an array [calls]. The next three fields have the same shape."""
    times_us: NDArray[np.int64]
    steps: NDArray[np.int64]
    counts: NDArray[np.int64]
    """Number of points in each call."""
    codes: NDArray[np.int32]
    """Index of each point's metric in `Tail.names`, as an array [points] in the order of the calls."""
    values: NDArray[np.float64]
    """Value of each point, as an array [points]."""


@dataclass
class Tail:
    """Tail, a text file with the newest points. The public fields and `ranges` are complete only after all `slices`
    were read."""

    path: RecordPath
    writer: str
    attempt: int
    position: TailPosition
    """Position after the last complete line. Until all `slices` have been read, the value is the position at which the
    slices start."""
    names: dict[str, int] = field(default_factory=dict)
    """Code of each metric, in order of appearance."""
    damaged: int = 0
    """Number of unreadable lines, which were skipped."""
    _contiguous: list[tuple[int, int]] = field(default_factory=list)
    _is_after_gap: bool = True
    """True if the next line starts a range of calls, because it is the first line or follows a damaged line."""
    _known_codes: dict[tuple[str, ...], NDArray[np.int32]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: RecordPath) -> Tail | None:
        """Read the first line of a tail (text file). Return None if the line is incomplete.

        Raises:
            FileNotFoundError: The tail was converted to a segment and deleted in the meantime.
            DamagedFile: The first line is not valid.
            NewerFormat: A newer version of runfolio wrote the tail.
        """
        with path.open(file_bounds.JSON_LINES) as file:
            line = next(read_lines(file), b"")
            if not line.endswith(b"\n"):
                return None
            position = TailPosition.at(file, len(line))
        return cls(path, *tails.read_header(line[:-1], path), position)

    @classmethod
    def open_at(cls, path: RecordPath, position: TailPosition) -> Tail | None:
        """Return a tail (text file) whose `slices` start at a position. Return None if the file does not match the
        position.

        The errors are those of `open`.
        """
        tail = cls.open(path)
        if tail is None or position.offset < tail.position.offset:
            return None
        with path.open(file_bounds.JSON_LINES) as file:
            if position.offset > file.seek(0, os.SEEK_END) or position != TailPosition.at(file, position.offset):
                return None
        tail.position = position
        return tail

    @property
    def ranges(self) -> SeqRanges:
        """Ranges of log calls that the tail contains without a gap."""
        return seq_ranges.merge({self.writer: self._contiguous}) if self._contiguous else {}

    def slices(self) -> Iterator[CallColumns]:
        """Yield all complete lines in slices. Call this method only once.

        Raises:
            FileNotFoundError: The file was deleted.
        """
        with self.path.open(file_bounds.JSON_LINES) as file:
            stop = self.position.offset
            file.seek(stop)
            for lines, position in read_slices(file, SLICE_BYTES):
                yield self._decode(lines)
                stop = position
            self.position = TailPosition.at(file, stop)

    def rows(self, calls: CallColumns, metrics: NDArray[np.int32], writer: int) -> Rows:
        """Return log calls as unsorted rows.

        Args:
            metrics: Index of each metric in `names` among all metrics.
            writer: Index of `self.writer` among all writers.
        """
        rows = np.empty(len(calls.values), ROW)
        rows["metric"] = metrics[calls.codes]
        rows["attempt"], rows["writer"] = self.attempt, writer
        for name, column in (("seq", calls.seqs), ("step", calls.steps), ("time_us", calls.times_us)):
            rows[name] = np.repeat(column, calls.counts)
        rows["value"] = calls.values
        return rows

    def rows_of(self, calls: CallColumns, metric: str, writer: int) -> Rows:
        """Return the rows of one metric. In these rows, the metric has the index 0."""
        chosen = np.flatnonzero(calls.codes == self.names.get(metric, -1))
        rows = np.zeros(len(chosen), ROW)
        call = np.searchsorted(np.cumsum(calls.counts), chosen, "right")
        rows["attempt"], rows["writer"] = self.attempt, writer
        rows["seq"], rows["step"], rows["time_us"] = calls.seqs[call], calls.steps[call], calls.times_us[call]
        rows["value"] = calls.values[chosen]
        return rows

    def _decode(self, lines: bytes) -> CallColumns:
        """Decode complete lines, separated by newlines."""
        count = lines.count(b"\n") + 1
        if lines.startswith(b"{") and lines.count(b"\n{") == count - 1:
            try:
                values = orjson.loads(b"[" + lines.replace(b"\n", b",") + b"]")
                if len(values) == count:
                    calls = self._columns(values)
                    self._note_contiguous(
                        calls.seqs, np.arange(count) == 0 if self._is_after_gap else np.zeros(count, dtype=bool)
                    )
                    self._is_after_gap = False
                    return calls
            except (KeyError, OverflowError, TypeError, ValueError):
                pass  # at least one line is damaged
        return self._decode_each(lines.split(b"\n"))

    def _decode_each(self, lines: list[bytes]) -> CallColumns:
        good: list[dict[str, Any]] = []
        broken: list[bool] = []
        for line in lines:
            value = tails.decode_object(line)
            if value is None or not _is_call(value):
                self.damaged += 1
                self._is_after_gap = True
            else:
                good.append(value)
                broken.append(self._is_after_gap)
                self._is_after_gap = False
        calls = self._columns(good)
        self._note_contiguous(calls.seqs, np.array(broken, dtype=bool))
        return calls

    def _columns(self, lines: list[dict[str, Any]]) -> CallColumns:
        """Return lines as columns. Various errors are raised for an invalid line."""
        values = [value["values"] for value in lines]
        numbers = list(chain.from_iterable(map(dict.values, values)))
        kinds = set(map(type, numbers))
        if not kinds <= {float, int, bool, str}:
            raise TypeError("values that are not numbers")
        if str in kinds:
            numbers = [files.NAMED_NUMBERS[number] if type(number) is str else number for number in numbers]
        columns = {
            "seqs": _int_array([value["seq"] for value in lines]),
            "times_us": _int_array([value["time_us"] for value in lines]),
            "steps": _int_array([value["step"] for value in lines]),
            "counts": np.fromiter(map(len, values), np.int64, len(values)),
            "values": np.fromiter(numbers, np.float64, len(numbers)),
        }
        codes = [self._codes(tuple(entry)) for entry in values]  # last, so that a damaged line adds no name
        return CallColumns(codes=np.concatenate([np.empty(0, np.int32), *codes]), **columns)

    def _codes(self, names: tuple[str, ...]) -> NDArray[np.int32]:
        """Return the codes of one call's metrics. The codes are cached, since most calls log the same metrics."""
        codes = self._known_codes.get(names)
        if codes is None:
            code_by_name = self.names
            codes = self._known_codes[names] = np.array(
                [code_by_name.setdefault(name, len(code_by_name)) for name in names], np.int32
            )
        return codes

    def _note_contiguous(self, seqs: NDArray[np.int64], broken: NDArray[np.bool_]) -> None:
        """Record which calls follow each other without a gap.

        Args:
            broken: Array [calls]. An entry is True if its call follows a damaged line or is the first in the file.
        """
        if len(seqs) == 0:
            return
        begins = broken.copy()
        begins[1:] |= seqs[1:] <= seqs[:-1]
        begins[0] |= bool(self._contiguous) and seqs[0] <= self._contiguous[-1][1]
        starts = np.flatnonzero(begins)
        if not begins[0]:
            starts = np.concatenate(([0], starts))
        pairs = list(zip(seqs[starts].tolist(), seqs[np.append(starts[1:], len(seqs)) - 1].tolist(), strict=True))
        if not begins[0]:
            pairs[0] = (self._contiguous.pop()[0], pairs[0][1])
        self._contiguous.extend(pairs)


def _int_array(numbers: list[Any]) -> NDArray[np.int64]:
    if set(map(type, numbers)) - {int}:
        raise TypeError("not integers")
    return np.fromiter(numbers, np.int64, len(numbers))


def _is_call(value: dict[str, Any]) -> bool:
    try:
        for number in value["values"].values():
            files.number_from_json(number)
        return all(tails.is_integer(value[name]) for name in ("seq", "time_us", "step"))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return False
