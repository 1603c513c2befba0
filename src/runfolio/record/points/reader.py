"""Reader of a run's points. The points are stored in tails (newest points, JSON lines) and segments (Parquet files).

The reader returns every log call exactly once, even if several files contain the call. The newest branch consists of
the log calls that no resume has discarded. An attempt is one start of the run, and a writer is a process that writes to
it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import DamagedFile, NotFound, did_you_mean
from runfolio.record.base.layout import METRICS
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import Attempt, RunDocument
from runfolio.record.points import segment_files, seq_ranges
from runfolio.record.points.metric_summary import MetricSummary, is_system_metric
from runfolio.record.points.opened_files import OpenedFiles
from runfolio.record.points.point_cursor import cursor_of
from runfolio.record.points.rank_choice import WriterChoice
from runfolio.record.points.row_merging import (
    Key,
    Rows,
    count_up_to,
    empty_rows,
    find_spans,
    key_of,
    lookup_codes,
    merge_rows,
    sort_rows,
)
from runfolio.record.points.segment_files import Segment
from runfolio.record.points.sparkline_buckets import SparklineBuckets
from runfolio.record.points.summarize import ChooseMetrics, Overview, summarize
from runfolio.record.points.tail_columns import CallColumns, Tail
from runfolio.record.points.tails import LogCall

Branch = Literal["newest", "all"] | int
"""Points to read: the points that no resume has discarded (the newest branch), or all points. A number selects the
branch that was the newest during the attempt with this number."""
T = TypeVar("T")
CURVE = ("step", "time_us", "value", "attempt")
"""Columns that `Points` contains."""
_ROWS_AT_ONCE = 500_000
"""Maximum number of rows in memory, over all files, while a whole run is read."""


@dataclass(frozen=True)
class Points:
    """Points of one metric of a run in order of arrival. Each array has one element per point."""

    steps: np.ndarray
    """Steps as int64."""
    times_us: np.ndarray
    """Times as int64, in microseconds since 1970 UTC."""
    values: np.ndarray
    """Values as float64, including NaN and infinities."""
    attempts: np.ndarray
    """Numbers of the attempts that logged the points, as int32."""

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def columns(self) -> tuple[np.ndarray, ...]:
        """All four arrays, in the order of the fields."""
        return self.steps, self.times_us, self.values, self.attempts


class PointFiles:
    """Points of one run folder, from the files that existed when this object was created.

    Args:
        folder: Folder of the run.
        document: Document of the run. Default: the `run.json` in the folder is read.
        files: Opened files. Default: all files of the run are opened.
    """

    def __init__(self, folder: Path, document: RunDocument | None = None, files: OpenedFiles | None = None) -> None:
        self._folder = folder
        self._document = document or RunDocument.read(folder)
        self._files = files or OpenedFiles.open(RecordPath(folder, METRICS))
        self.problems = self._files.problems
        """Descriptions of unreadable parts, one line each. All other points can be read."""
        opened = [*self._files.segments, *(tail for tail, _ in self._files.tails)]
        ranges = [file.ranges for file in opened]
        self._ranges = seq_ranges.merge(*ranges)
        self._writers = {writer: index for index, writer in enumerate(sorted(self._ranges))}

    def cursor(self) -> str:
        """Return a cursor with which `point_cursor.open_after` continues after the last point."""
        return cursor_of(self._files, self._document)

    def names(self) -> list[str]:
        """Return all metrics, sorted."""
        return self._retry_damaged(lambda: _names(*self._needed_files()))

    def read(self, metric: str, branch: Branch = "newest", rank: int | None = None) -> Points:
        """Return the points of one metric in order of arrival.

        Args:
            rank: Rank whose points are returned, if several processes wrote to the run. By default, the points of the
                primary process of each attempt are returned. If this process did not log the metric in an attempt, the
                points of all processes are returned for this attempt.
        Raises:
            NotFound: The run has no such metric, or no process of that rank.
        """
        points = self.find(metric, branch, rank)
        if not len(points):
            names = self.names()
            if metric not in names:
                raise NotFound(f"run {self._document.id} has no metric {metric!r}; {did_you_mean(metric, names)}")
        return points

    def find(self, metric: str, branch: Branch = "newest", rank: int | None = None) -> Points:
        """Return the same points as `read`, or no points if the run has no such metric."""
        choice = self._choice(rank)
        only_segment = self._only_segment(branch) if choice is None else None
        if only_segment is not None and (columns := only_segment.columns_of(metric, CURVE)) is not None:
            return Points(*columns)
        rows = self._retry_damaged(lambda: self._rows_of(metric, branch, choice))
        return Points(*(np.ascontiguousarray(rows[name]) for name in CURVE))

    def read_reduced(self, metric: str, reduce: Callable[[Points], Points]) -> Points:
        """Return the points that `read` returns, after a function has reduced each block of them.

        Only one block is in memory at a time, so a long metric needs little memory.

        Args:
            reduce: Function that returns some points of a block, in the same order.
        """
        segment = self._only_segment("newest") if self._choice(None) is None else None
        pieces: list[Points] = []
        for group in segment.groups_of(metric) if segment is not None else ():
            columns = segment.columns_of(metric, CURVE, [group]) if segment is not None else None
            if columns is None:  # a page is damaged, so the slower method is used
                pieces = []
                break
            pieces.append(reduce(Points(*columns)))
        pieces = pieces or [reduce(points) for _, points in self.blocks({metric})]
        if not pieces:
            return self.read(metric)
        return Points(*map(np.concatenate, zip(*(piece.columns for piece in pieces), strict=True)))

    def blocks(self, metrics: Collection[str]) -> Iterator[tuple[list[tuple[str, int]], Points]]:
        """Yield the points that `read` returns for several metrics, in blocks of bounded size.

        Returns:
            For each block, a list of (metric, number of points) pairs, and the points in the same order. A metric may
            continue in the next block.
        """
        choice = self._choice(None)
        last: tuple[str, Key] | None = None
        while True:
            try:
                names, blocks = self._stream("newest", metrics)
                yielded = None if last is None else (bisect_left(names, last[0]), *last[1][1:])
                keys = None if choice is None else choice.primary_keys(self._stream("newest", metrics)[1])
                for block in blocks:
                    rows = block if choice is None or keys is None else choice.select_rows(block, keys)
                    rows = rows if yielded is None else rows[count_up_to(rows, yielded) :]
                    if len(rows):
                        last = (names[rows[-1]["metric"]], key_of(rows[-1]))
                        starts, stops = find_spans(rows["metric"])
                        spans = [names[code] for code in rows["metric"][starts].tolist()]
                        points = Points(*(np.ascontiguousarray(rows[name]) for name in CURVE))
                        yield list(zip(spans, (stops - starts).tolist(), strict=True)), points
                return
            except DamagedFile as error:  # continue after the last row; the damaged part is skipped
                self.problems.append(str(error))

    @property
    def attempts(self) -> list[Attempt]:
        """Attempts of the run, the newest last."""
        return self._document.attempts

    def is_kept(self, metric: str, attempt: int) -> np.ndarray:
        """Return an array of bools.

        The array has one entry for each point that `read` returns for the branch that was the newest during `attempt`.
        An entry is True if no resume has discarded its point.
        """
        rows = self._retry_damaged(lambda: self._rows_of(metric, attempt, self._choice(None)))
        return self._is_on(rows, "newest")

    def align(
        self, metric: str, other: str, rank: int | None = None, branch: Branch = "newest"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the value of another metric at each point that `read` returns.

        Returns:
            Two arrays of shape [n]. The first array (float64) contains the value of `other` in the same log call. If
            the call did not log `other`, the array contains the last earlier value of the same writer, or NaN. The
            second array (bool) is True if the value is from the same log call.
        """
        shown = self._choice(rank)
        rows = self._retry_damaged(lambda: self._rows_of(metric, branch, shown))
        other_rows = self._retry_damaged(lambda: self._rows_of(other, branch, None))
        values, same = np.full(len(rows), np.nan), np.zeros(len(rows), bool)
        for writer in np.unique(rows["writer"]):  # each writer (process) belongs to only one attempt
            is_writer, writer_rows = rows["writer"] == writer, other_rows[other_rows["writer"] == writer]
            seqs = rows["seq"][is_writer]
            position = np.searchsorted(writer_rows["seq"], seqs, side="right")  # 0: there is no earlier value
            values[is_writer] = np.append(np.nan, writer_rows["value"])[position]
            same[is_writer] = np.append(-1, writer_rows["seq"])[position] == seqs
        return values, same

    def summaries(self, rank: int | None = None) -> dict[str, MetricSummary]:
        """Return the summary of every metric, by name. Points that a resume has discarded are ignored. `rank` has the
        same meaning as in `read`.

        Raises:
            NotFound: No process of that rank wrote to the run.
        """
        return self.overview(lambda names: (), rank).summaries

    def overview(self, choose: ChooseMetrics, rank: int | None = None) -> Overview:
        """Return the result of `summaries`, and the sparklines (small curves) of the metrics that `choose` returns."""
        choice = self._choice(rank)
        only_segment = self._only_segment("newest") if choice is None else None
        if only_segment is not None and (overview := only_segment.overview(choose)) is not None:
            return overview

        def compute() -> Overview:
            names, blocks = self._stream("newest")
            if choice is not None:
                primary_keys = choice.primary_keys(blocks)
                names, blocks = self._stream("newest")
                blocks = (choice.select_rows(rows, primary_keys) for rows in blocks)
            sparklines = {name: SparklineBuckets() for name in choose(names)}
            chosen = {bisect_left(names, name): buckets for name, buckets in sparklines.items()}
            summaries = {names[metric]: summary for metric, summary in summarize(blocks, chosen).items()}
            return Overview(summaries, {name: line for name, line in sparklines.items() if name in summaries})

        return self._retry_damaged(compute)

    def log_calls(self, writer: str) -> Iterator[LogCall]:
        """Yield the log calls of one writer (process), in order of arrival. Calls that a resume has discarded are left
        out."""

        def compute() -> tuple[list[str], Rows]:
            names, blocks = self._stream("newest")
            of_writer = [rows[rows["writer"] == self._writers.get(writer, -1)] for rows in blocks]
            return names, np.concatenate([empty_rows(), *of_writer])

        names, rows = self._retry_damaged(compute)
        rows = rows[np.lexsort([rows["metric"], rows["seq"]])]
        columns = (rows[name].tolist() for name in ("seq", "time_us", "step", "metric", "value"))
        for (seq, time_us, step), points in groupby(zip(*columns, strict=True), key=lambda row: row[:3]):
            yield LogCall(seq, time_us, step, {names[metric]: value for *_, metric, value in points})

    def calls(self, branch: Branch = "newest") -> dict[str, Rows]:
        """Return the points of each writer, sorted by the sequence numbers (`seq`) of their log calls.

        System metrics that runfolio measures are left out.
        """

        def compute() -> Rows:
            names, blocks = self._stream(branch)
            own = np.array([not is_system_metric(name) for name in names], dtype=bool)
            return np.concatenate([empty_rows(), *(rows[own[rows["metric"]]] for rows in blocks)])

        rows = self._retry_damaged(compute)
        rows = rows[np.argsort(rows["seq"], kind="stable")]
        return {writer: rows[rows["writer"] == index] for writer, index in self._writers.items()}

    def last_seqs(self) -> dict[str, int]:
        """Return the highest sequence number (`seq`) among the points of each writer. Points that a resume has
        discarded are ignored."""

        def compute() -> NDArray[np.int64]:
            last = np.zeros(len(self._writers), np.int64)
            for rows in self._stream("newest")[1]:
                np.maximum.at(last, rows["writer"], rows["seq"])
            return last

        last = self._retry_damaged(compute)
        return {writer: int(last[index]) for writer, index in self._writers.items() if last[index]}

    def copy(self, path: RecordPath, last: Mapping[str, int]) -> None:
        """Write a segment (Parquet file) with the log calls of each writer up to its sequence number in `last`.

        If there are no such calls, write nothing.

        Raises:
            OSError: The segment cannot be written.
        """
        bound = np.array([last.get(writer, 0) for writer in self._writers], np.int64)

        def copied_rows() -> tuple[list[str], Iterator[Rows]]:
            names, blocks = self._stream("all")
            return names, (rows[rows["seq"] <= bound[rows["writer"]]] for rows in blocks)

        def write() -> None:
            held = np.zeros(len(self._writers), np.int64)
            for rows in copied_rows()[1]:
                np.maximum.at(held, rows["writer"], rows["seq"])
            # The ranges must not extend beyond the last log call that was read.
            ranges = seq_ranges.truncate(self._ranges, dict(zip(self._writers, held.tolist(), strict=True)))
            if ranges:
                names, blocks = copied_rows()
                segment_files.write(path, blocks, names, list(self._writers), ranges)

        self._retry_damaged(write)

    def _retry_damaged(self, compute: Callable[[], T]) -> T:
        """Return the result of `compute`. If a segment (Parquet file) turns out to be damaged, add the damage to
        `problems` and repeat the computation.

        Each damaged segment raises an error only once. After this error, points that the segment shares with other
        files are read from those files.
        """
        while True:
            try:
                return compute()
            except DamagedFile as error:
                self.problems.append(str(error))

    def _needed_files(self) -> tuple[list[Segment], list[tuple[Tail, list[CallColumns]]]]:
        """Return the files that other files do not cover completely.

        A file covers another if it contains all log calls of the other file. Files that overlap partly still contain
        duplicate points.
        """
        segments, covered = segment_files.select_needed(self._files.segments)
        return segments, [entry for entry in self._files.tails if not seq_ranges.contains(covered, entry[0].ranges)]

    def _choice(self, rank: int | None) -> WriterChoice | None:
        return WriterChoice.for_rank(self._folder, self._document, rank, self._writers)

    def _only_segment(self, branch: Branch) -> Segment | None:
        """Return the segment (Parquet file) that contains exactly the points of a branch, as in a finished run. Return
        None if there is no such segment."""
        segments, tails = self._needed_files()
        return segments[0] if len(segments) == 1 and not tails and self._is_whole(branch) else None

    def _rows_of(self, metric: str, branch: Branch, choice: WriterChoice | None) -> Rows:
        segments, tails = self._needed_files()
        row_blocks = [segment.rows_of(metric, segment_files.SCHEMA.names, self._writers) for segment in segments]
        for tail, slices in tails:
            row_blocks += [tail.rows_of(calls, metric, self._writers[tail.writer]) for calls in slices]
        pieces = sorted((piece for piece in row_blocks if len(piece)), key=lambda piece: key_of(piece[0]))
        rows = self._on_branch(sort_rows(np.concatenate([empty_rows(), *pieces])), branch)
        return rows if choice is None else choice.select_rows(rows, choice.primary_keys([rows]))

    def _stream(self, branch: Branch, metrics: Collection[str] | None = None) -> tuple[list[str], Iterator[Rows]]:
        """Return the names of all metrics, and sorted rows in blocks. In a row, `metric` is an index into the names.

        Args:
            metrics: Names of the metrics whose rows are returned. Default: all metrics.
        """
        segments, tails = self._needed_files()
        names = _names(segments, tails)
        codes = {name: number for number, name in enumerate(names)}
        size = max(_ROWS_AT_ONCE // max(len(segments), 1), 1000)
        streams = [segment.blocks(codes, self._writers, size, metrics) for segment in segments]
        for tail, slices in tails:
            tail_codes, writer = lookup_codes(tail.names, codes), self._writers[tail.writer]
            rows = [tail.rows(calls, tail_codes, writer) for calls in slices]
            streams.append(iter([sort_rows(np.concatenate([empty_rows(), *rows]))]))
        merged = (self._on_branch(rows, branch) for rows in merge_rows(streams))
        if metrics is None:
            return names, merged
        chosen = np.array([name in metrics for name in names], dtype=bool)
        return names, (rows[chosen[rows["metric"]]] for rows in merged)

    def _is_whole(self, branch: Branch) -> bool:
        """Return whether a branch contains all points of the run."""
        return branch == "all" or len(self._document.attempts) <= 1

    def _on_branch(self, rows: Rows, branch: Branch) -> Rows:
        """Return the rows whose points are on a branch (`docs/format.md`, Attempts)."""
        return rows if self._is_whole(branch) or not len(rows) else rows[self._is_on(rows, branch)]

    def _is_on(self, rows: Rows, branch: Branch) -> NDArray[np.bool_]:
        """Return a mask of the rows whose points are on a branch."""
        if self._is_whole(branch):
            return np.ones(len(rows), dtype=bool)
        attempts = self._document.attempts
        last = attempts[-1] if branch == "newest" else next(entry for entry in attempts if entry.attempt == branch)
        keep = rows["attempt"] == last.attempt
        for writer, number in self._writers.items():
            if writer in last.kept:
                keep |= (rows["writer"] == number) & (rows["seq"] <= last.kept[writer])
        return keep


def _names(segments: list[Segment], tails: list[tuple[Tail, list[CallColumns]]]) -> list[str]:
    return sorted({name for segment in segments for name in segment.names()}.union(*(tail.names for tail, _ in tails)))
