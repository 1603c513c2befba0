"""Ranges of the sequence numbers (`seq`) that each writer (process) gives to its log calls.

The ranges state which log calls a file contains (`docs/format.md`, Points).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from operator import itemgetter

SeqRanges = dict[str, list[tuple[int, int]]]
"""Closed ranges of sequence numbers (`seq`), by writer. The ranges of a writer are in ascending order and do not
overlap."""


def merge(*several: SeqRanges) -> SeqRanges:
    """Return the union of the ranges, in ascending order and with as few ranges per writer as possible."""
    merged: SeqRanges = {}
    for writer in {writer for ranges in several for writer in ranges}:
        result: list[tuple[int, int]] = []
        for first, last in sorted(pair for ranges in several for pair in ranges.get(writer, ())):
            if result and first <= result[-1][1] + 1:
                result[-1] = (result[-1][0], max(result[-1][1], last))
            else:
                result.append((first, last))
        merged[writer] = result
    return merged


def truncate(ranges: SeqRanges, last: Mapping[str, int]) -> SeqRanges:
    """Return the part of the ranges up to the sequence number in `last` for each writer.

    Writers that are not in `last` are left out.
    """
    cut = {
        writer: [(first, min(end, last[writer])) for first, end in pairs if first <= last[writer]]
        for writer, pairs in ranges.items()
        if writer in last
    }
    return {writer: pairs for writer, pairs in cut.items() if pairs}


def contains(outer: SeqRanges, inner: SeqRanges) -> bool:
    """Return whether every log call of `inner` is in `outer`."""
    joined = merge(outer)
    return all(
        _holds(joined.get(writer, []), first, last) for writer, ranges in inner.items() for first, last in ranges
    )


def overlap(ranges_a: SeqRanges, ranges_b: SeqRanges) -> bool:
    """Return whether any log call is in both arguments."""
    joined = merge(ranges_b)
    return any(
        (pair := _last_start(joined.get(writer, []), last)) is not None and first <= pair[1]
        for writer, ranges in ranges_a.items()
        for first, last in ranges
    )


def size(ranges: SeqRanges) -> int:
    """Return the number of log calls in the ranges."""
    return sum(last - first + 1 for pairs in ranges.values() for first, last in pairs)


def _holds(pairs: list[tuple[int, int]], first: int, last: int) -> bool:
    pair = _last_start(pairs, first)
    return pair is not None and last <= pair[1]


def _last_start(pairs: list[tuple[int, int]], seq: int) -> tuple[int, int] | None:
    """Return the last range that starts at or before `seq`. Binary search is used, because there may be a million
    ranges."""
    index = bisect_right(pairs, seq, key=itemgetter(0))
    return pairs[index - 1] if index else None
