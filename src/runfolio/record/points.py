"""Reading a run's points: every log call exactly once, whatever files it stands in at the moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runfolio.errors import DamagedFile, NewerFormat, NotFound, StoreError, did_you_mean
from runfolio.record import segment, tail
from runfolio.record.document import RunDocument
from runfolio.record.layout import METRICS
from runfolio.record.segment import Ranges, Segment
from runfolio.record.summary import MetricSummary
from runfolio.record.tail import LogCall, Tail

Branch = Literal["newest", "all"]
_LOOKS = 5
"""How often to list the files anew when one vanishes between being listed and being opened (it was sealed)."""


@dataclass(frozen=True)
class Points:
    """One metric of a run in order of arrival; all arrays [n]."""

    steps: np.ndarray
    """int64."""
    times_us: np.ndarray
    """int64, microseconds since 1970 UTC."""
    values: np.ndarray
    """float64; NaN and infinities as they were logged."""
    attempts: np.ndarray
    """int32, the attempt each point was logged in."""

    def __len__(self) -> int:
        return len(self.steps)


class PointFiles:
    """The points of one run folder, as its files stand when this object is made.

    `problems` lists what could not be read, a line each; everything else is there.
    """

    def __init__(self, folder: Path, document: RunDocument | None = None) -> None:
        self._document = document or RunDocument.read(folder)
        self.problems: list[str] = []
        self._segments: list[Segment] = []
        self._tails: list[Tail] = []
        self._open(folder / METRICS)
        self._live: pa.Table = segment.SCHEMA.empty_table()

    def names(self) -> list[str]:
        """All metrics, sorted."""
        found = {name for opened in self._segments for name in opened.names()}
        found.update(name for each in self._tails for call in each.calls for name in call.values)
        return sorted(found)

    def read(self, metric: str, branch: Branch = "newest") -> Points:
        """One metric's points in order of arrival.

        Raises:
            NotFound: The run has no such metric.
        """
        columns = ["step", "time_us", "value", "attempt", "writer", "seq"]
        pieces = [piece for piece in self._pieces(metric, columns, branch) if piece.num_rows]
        if not pieces:
            names = self.names()
            if metric in names:  # every point of it is on an abandoned branch
                return Points(*(np.empty(0, kind) for kind in ("i8", "i8", "f8", "i4")))
            raise NotFound(f"run {self._document.id} has no metric {metric!r}; {did_you_mean(metric, names)}")
        rows = pieces[0]
        if len(pieces) > 1:
            rows = pa.concat_tables(pieces).sort_by(segment.SORT_KEYS[1:])
        return Points(
            steps=rows["step"].to_numpy(),
            times_us=rows["time_us"].to_numpy(),
            values=rows["value"].to_numpy(),
            attempts=rows["attempt"].to_numpy(),
        )

    def summaries(self) -> dict[str, MetricSummary]:
        """Every metric of the newest branch in short, by name."""
        columns = ["metric", "step", "value", "attempt", "writer", "seq"]
        pieces = [piece for piece in self._pieces(None, columns, "newest") if piece.num_rows]
        if not pieces:
            return {}
        rows = pieces[0]
        if len(pieces) > 1:
            rows = pa.concat_tables(pieces).sort_by(segment.SORT_KEYS)
        steps, values = rows["step"].to_numpy(), rows["value"].to_numpy()
        return {
            name: _summary(steps[start:stop], values[start:stop])
            for name, start, stop in segment.metric_ranges(rows["metric"])
        }

    def log_calls(self, writer: str) -> Iterator[LogCall]:
        """The log calls of one writer that the newest branch keeps, in order of arrival."""
        pieces = [
            piece.filter(pc.equal(piece["writer"], writer))  # type: ignore[attr-defined] - made at run time
            for piece in self._pieces(None, segment.SCHEMA.names, "newest")
            if piece.num_rows
        ]
        if not pieces:
            return
        rows = pa.concat_tables(pieces).sort_by([("seq", "ascending"), ("metric", "ascending")])
        columns = (rows[name].to_pylist() for name in ("seq", "time_us", "step", "metric", "value"))
        for (seq, time_us, step), points in groupby(zip(*columns, strict=True), key=lambda row: row[:3]):
            yield LogCall(seq, time_us, step, {metric: value for *_, metric, value in points})

    def last_seqs(self) -> dict[str, int]:
        """The highest seq seen of each writer."""
        covered = segment.merge(*(opened.covers for opened in self._segments))
        highest = {writer: ranges[-1][1] for writer, ranges in covered.items() if ranges}
        for each in self._tails:
            if each.calls:
                highest[each.writer] = max(highest.get(each.writer, 0), each.calls[-1].seq)
        return highest

    def _open(self, folder: Path) -> None:
        for _ in range(_LOOKS):
            self.problems, self._segments, self._tails = [], [], []
            try:
                names = sorted(entry.name for entry in folder.iterdir())
            except FileNotFoundError:
                return
            except OSError as error:
                raise StoreError(f"cannot list {folder}: {error.strerror}") from None
            try:
                self._open_named(folder, names)
            except FileNotFoundError:
                continue
            return
        raise StoreError(f"the files of {folder} keep changing; try again")

    def _open_named(self, folder: Path, names: list[str]) -> None:
        # Tails first: one that is sealed and deleted after this look is then met as a missing file, not missed.
        tails = [each for each in self._load(folder, names, "tail-", ".jsonl", tail.read) if each is not None]
        segments = self._load(folder, names, "segment-", ".parquet", Segment.open)
        self._segments = _without_covered(segments)
        covered = segment.merge(*(opened.covers for opened in self._segments))
        for each in tails:
            if each.damaged:
                self.problems.append(f"{folder}: {each.damaged} damaged line(s) in a tail of {each.writer}")
            each.calls = [call for call in each.calls if not _is_in(call.seq, covered.get(each.writer, ()))]
        self._tails = [each for each in tails if each.calls]

    def _load(self, folder: Path, names: list[str], start: str, end: str, load: Callable) -> list:
        loaded = []
        for name in names:
            if name.startswith(start) and name.endswith(end):
                try:
                    loaded.append(load(folder / name))
                except (DamagedFile, NewerFormat) as error:
                    self.problems.append(str(error))
        return loaded

    def _pieces(self, metric: str | None, columns: list[str], branch: Branch) -> Iterator[pa.Table]:
        seen: Ranges = {}
        for opened in self._segments:
            try:
                rows = opened.read(metric, columns)
            except DamagedFile as error:
                self.problems.append(str(error))
                continue
            yield self._on_branch(segment.without(rows, seen), branch)
            seen = segment.merge(seen, opened.covers)
        if self._tails:
            yield self._on_branch(self._live_rows(metric, columns), branch)

    def _live_rows(self, metric: str | None, columns: list[str]) -> pa.Table:
        """The tails' points, sorted as a segment is."""
        if not self._live.num_rows:
            self._live = segment.rows_of(self._tails).sort_by(segment.SORT_KEYS)
        rows = self._live
        if metric is not None:
            rows = rows.filter(segment.is_metric(rows, metric))
        return rows.select(columns)

    def _on_branch(self, rows: pa.Table, branch: Branch) -> pa.Table:
        """The rows that the newest attempt keeps (`docs/format.md`, Attempts)."""
        attempts = self._document.attempts
        if branch == "all" or len(attempts) <= 1 or rows.num_rows == 0:
            return rows
        newest = attempts[-1]
        seqs = rows["seq"].to_numpy()
        keep = rows["attempt"].to_numpy() == newest.attempt
        writers = rows["writer"].to_numpy()
        for writer, last in newest.kept.items():
            keep |= (writers == writer) & (seqs <= last)
        return rows.filter(pa.array(keep))


def _without_covered(segments: list[Segment]) -> list[Segment]:
    """The segments without those that others cover whole, widest first."""
    kept: list[Segment] = []
    covered: Ranges = {}
    for opened in segment.widest_first(segments):
        if not segment.contains(covered, opened.covers):
            kept.append(opened)
            covered = segment.merge(covered, opened.covers)
    return kept


def _is_in(seq: int, ranges: list[tuple[int, int]] | tuple) -> bool:
    return any(first <= seq <= last for first, last in ranges)


def _summary(steps: np.ndarray, values: np.ndarray) -> MetricSummary:
    nan = np.isnan(values)
    if nan.all():
        lowest = highest = 0
    else:
        lowest, highest = int(np.nanargmin(values)), int(np.nanargmax(values))
    return MetricSummary(
        count=len(steps),
        first_step=int(steps[0]),
        last_step=int(steps[-1]),
        last=float(values[-1]),
        min=float(values[lowest]),
        min_step=int(steps[lowest]),
        max=float(values[highest]),
        max_step=int(steps[highest]),
        nan=int(nan.sum()),
    )
