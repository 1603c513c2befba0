"""Choice of the points that a reader shows if several processes (writers) wrote to the run (`docs/format.md`, Several
writers)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import NotFound
from runfolio.record.base.run_document import RunDocument
from runfolio.record.liveness.heartbeats import heartbeats
from runfolio.record.points.row_merging import Rows


class WriterChoice(NamedTuple):
    """Indices of the writers whose points are shown.

    The points of the writers in `first` are always shown. In each attempt, the points of the other writers in `all` are
    shown only if no writer in `first` logged the metric.
    """

    first: list[int]
    all: list[int]

    @classmethod
    def for_rank(cls, folder: Path, document: RunDocument, rank: int | None, writers: Mapping[str, int]) -> Self | None:
        """Return the choice for a rank, or the default choice if `rank` is None. Return None if all points are shown.

        Raises:
            NotFound: No process of the rank wrote to the run.
        """
        if rank is None:
            primary = {attempt.writer for attempt in document.attempts}
            other_writers = writers.keys() - primary
            return (
                cls([writers[name] for name in writers.keys() & primary], list(writers.values()))
                if other_writers
                else None
            )
        ranked = [heartbeat for heartbeat in heartbeats(folder) if heartbeat.rank is not None]
        of_rank = [heartbeat for heartbeat in ranked if heartbeat.rank == rank]
        if not of_rank:
            ranks = ", ".join(map(str, sorted({heartbeat.rank for heartbeat in ranked if heartbeat.rank is not None})))
            raise NotFound(
                f"run {document.id} has no rank {rank}; "
                + (f"it has {ranks}" if ranks else "its processes had no ranks")
            )
        is_first_by_writer = {
            heartbeat.writer: heartbeat.role in ("primary", "rank")
            for heartbeat in of_rank
            if heartbeat.writer in writers
        }
        return cls(
            [writers[name] for name, first in is_first_by_writer.items() if first],
            [writers[name] for name in is_first_by_writer],
        )

    def primary_keys(self, blocks: Iterable[Rows]) -> NDArray[np.int64]:
        """Return the keys of the (metric, attempt) pairs that a writer in `first` logged.

        The function `_key` computes each key.
        """
        keys = [np.unique(_key(rows[np.isin(rows["writer"], self.first)])) for rows in blocks]
        return np.unique(np.concatenate([np.empty(0, np.int64), *keys]))

    def select_rows(self, rows: Rows, primary_keys: NDArray[np.int64]) -> Rows:
        """Return the rows to show. `primary_keys` is the result of the method `primary_keys` for all rows."""
        first = np.isin(rows["writer"], self.first)
        return rows[first | (np.isin(rows["writer"], self.all) & ~np.isin(_key(rows), primary_keys))]


def _key(rows: Rows) -> NDArray[np.int64]:
    return rows["metric"].astype(np.int64) << 32 | rows["attempt"]
