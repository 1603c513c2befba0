"""Points as rows of a NumPy array: sorting, merging and removal of duplicates in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

ROW = np.dtype(
    [
        ("metric", np.int32),
        ("attempt", np.int32),
        ("writer", np.int32),
        ("seq", np.int64),
        ("step", np.int64),
        ("time_us", np.int64),
        ("value", np.float64),
    ]
)
"""Data type of one point. `metric` and `writer` are indices into sorted lists of names. Rows sorted by these indices
are therefore sorted by name."""
KEYS = ("metric", "attempt", "writer", "seq")
"""Columns by which rows are sorted. These columns identify a point, so two rows with the same key are duplicates."""

Rows = NDArray[np.void]
"""Array [n] of `ROW`."""
Key = tuple[int, int, int, int]


def empty_rows() -> Rows:
    return np.empty(0, ROW)


def sort_rows(rows: Rows) -> Rows:
    """Return the rows sorted by their keys (`KEYS`). If rows are duplicates, only the first of them is returned."""
    if is_ordered(rows):
        return rows
    rows = rows[np.lexsort([rows[key] for key in reversed(KEYS)])]
    double = np.ones(len(rows) - 1, dtype=bool)
    for key in KEYS:
        double &= rows[key][1:] == rows[key][:-1]
    return rows[np.concatenate(([True], ~double))]


def is_ordered(rows: Rows) -> bool:
    """Return whether the keys of the rows strictly increase. In this case, the rows are sorted and unique."""
    undecided = np.ones(max(len(rows) - 1, 0), dtype=bool)
    for key in KEYS:
        column = np.ascontiguousarray(rows[key])
        if (undecided & (column[1:] < column[:-1])).any():
            return False
        undecided &= column[1:] == column[:-1]
    return not undecided.any()


def key_of(row: np.void) -> Key:
    return tuple(row[key].item() for key in KEYS)  # type: ignore[return-value] - there are four keys


def merge_rows(streams: Iterable[Iterator[Rows]]) -> Iterator[Rows]:
    """Merge several ordered streams of rows into one stream without duplicates.

    Only one block of each stream is in memory at a time. Blocks that do not overlap with other streams are not copied.
    """
    heads = [(block, stream) for stream in streams if (block := _next(stream)) is not None]
    while len(heads) > 1:
        bound = min(key_of(block[-1]) for block, _ in heads)
        parts: list[Rows] = []
        later: list[tuple[Rows, Iterator[Rows]]] = []
        for block, stream in heads:
            stop = count_up_to(block, bound)
            if stop:
                parts.append(block[:stop])
            remaining = block[stop:] if stop < len(block) else _next(stream)
            if remaining is not None:
                later.append((remaining, stream))
        yield parts[0] if len(parts) == 1 else sort_rows(np.concatenate(parts))
        heads = later
    for block, stream in heads:
        yield block
        yield from stream


def _next(stream: Iterator[Rows]) -> Rows | None:
    return next((block for block in stream if len(block)), None)


def count_up_to(block: Rows, bound: Key) -> int:
    """Count the rows of an ordered block whose keys are at most `bound`."""
    if not len(block) or key_of(block[0]) > bound:
        return 0
    start, stop = 0, len(block)
    for key, limit in zip(KEYS, bound, strict=True):
        column = np.ascontiguousarray(block[key][start:stop])
        start, stop = start + int(np.searchsorted(column, limit)), start + int(np.searchsorted(column, limit, "right"))
    return stop


def find_spans(codes: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the start and the end of each span of equal codes, as two arrays [number of spans].

    The end is exclusive.
    """
    if len(codes) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    changes = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    return np.concatenate(([0], changes)), np.concatenate((changes, [len(codes)]))


def lookup_codes(names: Iterable[str], codes: Mapping[str, int]) -> NDArray[np.int32]:
    """Return the code of each name in `names`, as an array. The array translates an index into `names` to a code."""
    return np.fromiter((codes[name] for name in names), np.int32)
