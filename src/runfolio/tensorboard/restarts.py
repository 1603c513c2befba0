"""Points that a restart made void.

A program that restarts writes the step from which its earlier points are void (`SessionLog` START, `purge_step`). In
most files, steps ascend, and the void log calls are the last calls before the restart. Later attempts then keep only
the calls before the void calls. If kept calls follow void calls, the void calls are moved to a separate writer, which
no later attempt keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from runfolio.record.base.record_path import RecordPath
from runfolio.record.content import media
from runfolio.record.content.media import MediaEntry
from runfolio.record.points import segment_files, tails
from runfolio.record.points.row_merging import Rows, merge_rows
from runfolio.record.points.seq_ranges import SeqRanges
from runfolio.tensorboard.import_cursor import FilePart
from runfolio.tensorboard.imported_segments import covered_calls, free_segment, open_segments, segment_codes

_VOID_SUFFIX = "v"
"""Suffix of the id of the separate writer that void calls are moved to."""


def apply_restarts(folder: Path, parts: list[FilePart]) -> None:
    """Determine which log calls of each part later attempts keep. Parts that did not change are skipped.

    Raises:
        DamagedFile: A segment is damaged.
        OSError: The run folder cannot be written.
    """
    changed = []
    for part in parts:
        step = _void_step(part, parts)
        if step != part.void_step and step is not None:
            part.void_step = step
            changed.append(part)
    if not changed:
        return
    entries, _ = media.read(folder)
    calls = {part.writer: _WriterCalls(part.void_step or 0) for part in changed}
    _read_points(folder, calls)
    for entry in entries:
        if entry.writer in calls:
            calls[entry.writer].add(np.array([entry.seq]), np.array([entry.step]))
    mixed = []
    for part in changed:
        own = calls[part.writer]
        part.void_points = own.void_points
        if own.first_void is not None:
            part.kept_seq = own.last_kept
            if own.first_void < own.last_kept:
                mixed.append(part)
    if mixed:
        _move_void(folder, mixed, entries)


def _void_step(part: FilePart, parts: list[FilePart]) -> int | None:
    """Return the lowest step at which a later part of the same folder restarted."""
    later = [other for other in parts if other.folder == part.folder and other.attempt > part.attempt]
    return min((other.purge_step for other in later if other.purge_step is not None), default=None)


@dataclass
class _WriterCalls:
    """Summary of the log calls of one writer: void calls, and calls that are kept."""

    void_step: int
    first_void: int | None = None
    """Sequence number of the first void call."""
    last_kept: int = 0
    """Sequence number of the last call that is kept."""
    void_points: int = 0

    def add(self, seqs: Any, steps: Any) -> None:
        is_void = steps >= self.void_step
        if is_void.any():
            first = int(seqs[is_void].min())
            self.first_void = first if self.first_void is None else min(first, self.first_void)
        if not is_void.all():
            self.last_kept = max(self.last_kept, int(seqs[~is_void].max()))


def _read_points(folder: Path, calls: Mapping[str, _WriterCalls]) -> None:
    segments = open_segments(folder)
    _, names, writers = segment_codes(segments)
    for segment in segments:
        for rows in segment.blocks(names, writers):
            for writer in calls.keys() & writers.keys():
                own = rows[rows["writer"] == writers[writer]]
                if len(own):
                    calls[writer].add(own["seq"], own["step"])
                    calls[writer].void_points += int((own["step"] >= calls[writer].void_step).sum())


class _Move(NamedTuple):
    """Sequence numbers of the calls that remain with their writer, and of the void calls that are moved to a separate
    writer."""

    kept: Any
    void: Any

    def kept_number(self, seqs: Any) -> Any:
        """Return new sequence numbers without gaps."""
        return np.searchsorted(self.kept, seqs) + 1

    def void_number(self, seqs: Any) -> Any:
        return np.searchsorted(self.void, seqs) + 1


def _void_writer(writer: str) -> str:
    return f"{writer}{_VOID_SUFFIX}"


def _move_void(folder: Path, mixed: list[FilePart], entries: list[MediaEntry]) -> None:
    """Move void calls that precede kept calls to separate writers, and number the calls of all these writers again."""
    moves = {part.writer: _move_of(folder, part, entries) for part in mixed}
    segments = open_segments(folder)
    if segments:
        ranges, names, _ = segment_codes(segments)
        rewriting = _Rewriting(moves, sorted({*ranges, *map(_void_writer, moves)}))
        held: SeqRanges = {}
        for segment in segments:
            for rows in segment.blocks(names, rewriting.codes):
                for part in rewriting.split(rows):
                    held = _widened(held, covered_calls(part, rewriting.writers))
        streams = [
            rewriting.stream(segment.blocks(names, rewriting.codes), index) for segment in segments for index in (0, 1)
        ]
        path = free_segment(folder, mixed[0].writer)
        segment_files.write(path, merge_rows(streams), list(names), rewriting.writers, held)
        for segment in segments:
            segment.path.unlink(missing_ok=True)
    for part in mixed:
        move = moves[part.writer]
        part.kept_seq, part.last_seq = int(move.kept_number(np.array([part.kept_seq]))[0]), len(move.kept)
        _move_void_media(folder, part.writer, move, entries)
        part.media_bytes = _size(media.index_path(folder, part.writer))


def _size(path: RecordPath) -> int:
    return path.status().st_size if path.exists() else 0


@dataclass
class _Rewriting:
    """Assignment of the points of a run to new writers and sequence numbers."""

    moves: Mapping[str, _Move]
    writers: list[str]
    codes: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.codes = {writer: code for code, writer in enumerate(self.writers)}

    def split(self, rows: Rows) -> tuple[Rows, Rows]:
        """Return the rows that keep their writer, and the rows of void calls that are moved."""
        is_moved = np.zeros(len(rows), bool)
        for writer, move in self.moves.items():
            is_moved |= (rows["writer"] == self.codes[writer]) & np.isin(rows["seq"], move.void)
        kept, void = rows[~is_moved], rows[is_moved]
        for writer, move in self.moves.items():
            is_own = kept["writer"] == self.codes[writer]
            kept["seq"][is_own] = move.kept_number(kept["seq"][is_own])
            is_own = void["writer"] == self.codes[writer]
            void["seq"][is_own] = move.void_number(void["seq"][is_own])
            void["writer"][is_own] = self.codes[_void_writer(writer)]
        return kept, void

    def stream(self, blocks: Iterator[Rows], index: int) -> Iterator[Rows]:
        return (self.split(rows)[index] for rows in blocks)


def _move_of(folder: Path, part: FilePart, entries: list[MediaEntry]) -> _Move:
    """Return the calls of a part that remain, and the calls that are moved."""
    kept, void = [np.empty(0, np.int64)], [np.empty(0, np.int64)]

    def add(seqs: Any, steps: Any) -> None:
        is_void = (steps >= part.void_step) & (seqs < part.kept_seq)
        void.append(seqs[is_void])
        kept.append(seqs[~is_void])

    segments = open_segments(folder)
    _, names, writers = segment_codes(segments)
    for segment in segments:
        for rows in segment.blocks(names, writers):
            own = rows[rows["writer"] == writers.get(part.writer, -1)]
            add(own["seq"], own["step"])
    own_entries = [entry for entry in entries if entry.writer == part.writer]
    add(
        np.array([entry.seq for entry in own_entries], np.int64),
        np.array([entry.step for entry in own_entries], np.int64),
    )
    return _Move(np.unique(np.concatenate(kept)), np.unique(np.concatenate(void)))


def _move_void_media(folder: Path, writer: str, move: _Move, entries: list[MediaEntry]) -> None:
    own = [entry for entry in entries if entry.writer == writer]
    void, kept = set(move.void.tolist()), set(move.kept.tolist())
    for target, wanted, number in (
        (_void_writer(writer), void, move.void_number),
        (writer, kept, move.kept_number),
    ):
        chosen = [entry for entry in own if entry.seq in wanted]
        path = media.index_path(folder, target)
        if not chosen:
            path.unlink(missing_ok=True)
            continue
        seqs = number(np.array([entry.seq for entry in chosen])).tolist()
        lines = [
            media.encode(seq, entry.time_us, entry.step, entry.kind, entry.name, entry.content)
            for entry, seq in zip(chosen, seqs, strict=True)
        ]
        path.write_bytes(tails.header(target, chosen[0].attempt) + b"".join(lines))


def _widened(first: SeqRanges, second: SeqRanges) -> SeqRanges:
    """Return one range for each writer, which contains the ranges of both arguments."""
    pairs = {writer: [*first.get(writer, []), *second.get(writer, [])] for writer in first.keys() | second.keys()}
    return {writer: [(min(low for low, _ in own), max(high for _, high in own))] for writer, own in pairs.items()}
