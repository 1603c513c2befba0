"""Sealing: tails become Parquet segments, segments are compacted, and what another file covers is swept away.

Run as a program (`python -m runfolio.record.seal seal|compact FOLDER WRITER N`) it does one of these and sweeps, so
that a training process has its long tails sealed without Arrow, its memory or its hold on the interpreter lock.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pyarrow as pa

from runfolio.errors import DamagedFile, NewerFormat
from runfolio.record import disk, segment, tail
from runfolio.record.layout import METRICS, segment_path, tail_path
from runfolio.record.segment import Ranges, Segment
from runfolio.record.tail import Tail

STALE_VIEW_S = 120.0
"""How long a covered file stays on a network disk, so that a reader with a stale view of it does not miss it."""


def seal_tail(folder: Path, writer: str, number: int) -> None:
    """Write tail `number` of `writer` as a segment of the same number. The tail stays until it is swept."""
    found = tail.read(tail_path(folder, writer, number))
    if found is not None and found.calls:
        segment.write(segment_path(folder, writer, number), segment.rows_of([found]), _covers([found]))


def compact(folder: Path, writer: str, number: int) -> None:
    """Write everything readable in the run's tails and segments as one segment, number `number` of `writer`.

    Only for a run that nobody writes any more: `writer`'s own points must be flushed, other writers ended.
    A damaged file is left as it is and not covered, so that it is kept for whoever can still read it.
    """
    tails, segments = _readable(folder)
    if not tails and len(segments) <= 1:
        return
    covers = segment.merge(_covers(tails), *(opened.covers for opened in segments))
    parts: list[pa.Table] = []
    seen: Ranges = {}
    for opened in segments:
        try:
            rows = opened.read(None, segment.SCHEMA.names)
        except DamagedFile:
            return
        parts.append(segment.without(rows, seen))
        seen = segment.merge(seen, opened.covers)
    parts.append(segment.without(segment.rows_of(tails), seen))
    segment.write(segment_path(folder, writer, number), pa.concat_tables(parts), covers)


def sweep(folder: Path, *, after_s: float | None = None) -> int:
    """Delete tails and segments that another segment, at least `after_s` old, covers whole; how many it was.

    What cannot be deleted stays; it holds nothing that is not elsewhere.

    Args:
        after_s: Default: 0 on a local disk, `STALE_VIEW_S` elsewhere.
    """
    if after_s is None:
        after_s = 0.0 if disk.is_local(folder) else STALE_VIEW_S
    tails, segments = _readable_files(folder)
    if not segments or len(tails) + len(segments) == 1:
        return 0
    deleted = 0
    kept: Ranges = {}
    for opened in segment.widest_first(segments):
        if segment.contains(kept, opened.covers):
            deleted += _unlink(opened.path)
        elif _age_s(opened.path) >= after_s:
            kept = segment.merge(kept, opened.covers)
    for path, found in tails:
        if segment.contains(kept, _covers([found])):
            deleted += _unlink(path)
    return deleted


def _readable(folder: Path) -> tuple[list[Tail], list[Segment]]:
    tails, segments = _readable_files(folder)
    return [found for _, found in tails], segments


def _readable_files(folder: Path) -> tuple[list[tuple[Path, Tail]], list[Segment]]:
    tails: list[tuple[Path, Tail]] = []
    segments: list[Segment] = []
    for path in sorted((folder / METRICS).iterdir()):
        try:
            if re.fullmatch(r"segment-.*\.parquet", path.name):
                segments.append(Segment.open(path))
            elif re.fullmatch(r"tail-.*\.jsonl", path.name):
                found = tail.read(path)
                # A damaged line may still be of use to somebody, and one without lines may just have been begun:
                # neither is ever taken for sealed.
                if found is not None and found.calls and not found.damaged:
                    tails.append((path, found))
        except (DamagedFile, NewerFormat, FileNotFoundError):
            continue
    return tails, segments


def _covers(tails: list[Tail]) -> Ranges:
    """The log calls of whole tails. A tail's calls follow each other, but for those that went to the media."""
    return segment.merge(*({each.writer: [(each.calls[0].seq, each.calls[-1].seq)]} for each in tails))


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _unlink(path: Path) -> int:
    try:
        path.unlink()
    except OSError:
        return 0
    return 1


if __name__ == "__main__":
    task, folder, writer, number = sys.argv[1:]
    {"seal": seal_tail, "compact": compact}[task](Path(folder), writer, int(number))
    sweep(Path(folder))
