"""Fast decoder of many scalar events of equal size.

Records of one tag differ only in a few bytes: the time, the step and the numbers. One record of each layout is decoded
as usual. All records that have equal bytes elsewhere are then decoded together with NumPy, including their checksums.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from runfolio.events.checksums import changed_crcs
from runfolio.events.framing import FOOTER, HEADER
from runfolio.events.scalar_event import ScalarEvent, ScalarValue, scalar_event
from runfolio.events.wire import WireError

PADDING = 32
"""Number of bytes that must follow the last record."""
_FEWEST_ROWS = 16
"""Minimum number of records of one tag and size that are decoded together. With fewer records, decoding them together
is not faster."""
_SMALLEST_ROW, _LARGEST_ROW = 18, 2048
"""Range of the sizes, in bytes, of records that are decoded together."""
_MOST_LAYOUTS = 4
"""Maximum number of layouts among records that have the same size and the same first tag."""
_TAG_BYTES = 256
"""Number of leading bytes of a tag that distinguish groups of records."""


class ScalarRows(NamedTuple):
    """Events with the same layout: only their times, steps and numbers differ."""

    indices: np.ndarray
    """Positions of the events among the records of the block, in increasing order."""
    is_intact: np.ndarray
    """True for each event whose checksum matches."""
    steps: np.ndarray
    times: np.ndarray
    values: list[tuple[ScalarValue, np.ndarray]]
    """Scalars of the layout, each with one number per event."""

    def select(self, mask: np.ndarray) -> ScalarRows:
        """Return the events for which the mask is true."""
        values = [(value, numbers[mask]) for value, numbers in self.values]
        return ScalarRows(self.indices[mask], self.is_intact[mask], self.steps[mask], self.times[mask], values)


def scalar_rows(data: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> Iterator[ScalarRows]:
    """Decode records with common layouts. Other records are skipped.

    Args:
        data: Bytes that contain the records, followed by at least `PADDING` bytes.
        starts: Offsets of the records.
        sizes: Number of data bytes of each record.
    """
    by_size = np.argsort(sizes, kind="stable")
    for indices in _split(by_size, sizes[by_size]):
        size = int(sizes[indices[0]])
        if len(indices) < _FEWEST_ROWS or not _SMALLEST_ROW <= size <= _LARGEST_ROW:
            continue
        rows = _rows(data, starts[indices] + HEADER, size)
        keys = _tag_keys(rows, size)
        if (keys == keys[0]).all():
            yield from _common_layouts(indices, rows, size)
            continue
        by_key = np.argsort(keys, kind="stable")
        for group in _split(by_key, keys[by_key]):
            if len(group) >= _FEWEST_ROWS:
                yield from _common_layouts(indices[group], rows[group], size)


def _split(indices: np.ndarray, keys: np.ndarray) -> list[np.ndarray]:
    """Split `indices` into the groups of equal keys. The keys are sorted."""
    return np.split(indices, np.flatnonzero(keys[1:] != keys[:-1]) + 1) if len(keys) else []


def _rows(data: np.ndarray, starts: np.ndarray, size: int) -> np.ndarray:
    """Return the bytes from each start offset as one row. A row has the record's data, its checksum, and at least 13
    more bytes. Its length is a multiple of 8."""
    width = (size + FOOTER) // 8 * 8 + 24
    overlapping = np.ndarray(len(data) - width + 1, f"V{width}", data, strides=(1,))
    return overlapping[starts].view(np.uint8).reshape(len(starts), width)


def _tag_keys(rows: np.ndarray, size: int) -> np.ndarray:
    """Return a number for each row that depends on its first tag and on the position of the tag.

    The result is only used to group rows that are likely to have the same layout. It is arbitrary if a row is not a
    usual scalar event, which has a time, a step, and a summary that starts with a tag of fewer than 128 bytes.
    """
    has_more = rows[:, 9] == 0x10  # a step, whose last byte is the first one below 0x80
    position = np.where(has_more, 11, 9)
    for column in range(10, 19):
        has_more = has_more & (rows[:, column] >= 0x80)
        if not has_more.any():
            break
        position += has_more
    flat = rows.reshape(-1)
    position += np.arange(0, len(flat), rows.shape[1])
    for _ in range(2):  # the summary and its first value
        position += 2 + (flat[position + 1] >= 0x80)
    length = flat[position + 1].astype(np.intp)
    position += 2  # at most 27 bytes after the beginning of the row, so that a word does not exceed the last row
    words = np.ndarray(len(flat) - 7, "<u8", flat, strides=(1,))
    keys = (length * 31 + position % rows.shape[1]).astype(np.uint64)
    for first in range(0, min(int(length.max()), _TAG_BYTES, size - 18), 8):
        word = words[position + first] & _LEADING.take(np.clip(length - first, 0, 8))
        keys = keys * _FACTOR + word
    return keys


_LEADING = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
"""Masks that keep the leading bytes of a word of 8 bytes, by the number of bytes to keep."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def _common_layouts(indices: np.ndarray, rows: np.ndarray, size: int) -> Iterator[ScalarRows]:
    """Decode rows that have the layout of the first row, then rows that have the layout of the first remaining row, and
    so on."""
    for _ in range(_MOST_LAYOUTS):
        if len(rows) < _FEWEST_ROWS:
            return
        original = rows[0, :size].tobytes()
        try:
            event = scalar_event(original)
        except WireError:
            event = None
        if event is None:
            indices, rows = indices[1:], rows[1:]
            continue
        mask = _fixed_bits(event, size, rows.shape[1])
        is_equal = _equal_rows(rows, mask)
        if is_equal.all():
            yield _decode(event, original, indices, rows, mask)
            return
        yield _decode(event, original, indices[is_equal], rows[is_equal], mask)
        indices, rows = indices[~is_equal], rows[~is_equal]


def _fixed_bits(event: ScalarEvent, size: int, width: int) -> np.ndarray:
    """Return a mask of the bits that all events with the same layout have in common."""
    mask = np.zeros(width, np.uint8)
    mask[:size] = 0xFF
    if event.time_start is not None:
        mask[event.time_start : event.time_start + 8] = 0
    mask[event.step_start : event.step_stop] = 0x80  # the highest bit marks the last byte of the step
    for value in event.values:
        mask[value.start : value.start + value.size] = 0
    return mask


def _equal_rows(rows: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return an array that is True for each row that equals the first row in the bits of the mask."""
    words, masks = rows.view("<u8"), mask.view("<u8")
    is_equal = np.ones(len(rows), bool)
    for column in np.flatnonzero(masks).tolist():
        is_equal &= ((words[:, column] ^ words[0, column]) & masks[column]) == 0
    return is_equal


def _decode(event: ScalarEvent, original: bytes, indices: np.ndarray, rows: np.ndarray, mask: np.ndarray) -> ScalarRows:
    size = len(original)
    checksums = changed_crcs(original, rows, np.flatnonzero(mask[:size] != 0xFF))
    times = np.zeros(len(rows)) if event.time_start is None else _column(rows, event.time_start, "<f8")
    values = [(value, _column(rows, value.start, value.dtype).astype(np.float64)) for value in event.values]
    return ScalarRows(indices, checksums == _column(rows, size, "<u4"), _steps(event, rows), times, values)


def _column(rows: np.ndarray, start: int, dtype: str) -> np.ndarray:
    """Return the number at offset `start` of each row."""
    return np.ndarray(len(rows), dtype, rows, start, (rows.shape[1],)).copy()


def _steps(event: ScalarEvent, rows: np.ndarray) -> np.ndarray:
    steps = np.zeros(len(rows), np.uint64)
    for shift, column in enumerate(range(event.step_start, event.step_stop)):
        steps |= (rows[:, column].astype(np.uint64) & np.uint64(0x7F)) << np.uint64(7 * shift)
    return steps.view(np.int64)
