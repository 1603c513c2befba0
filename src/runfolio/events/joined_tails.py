"""Reader of the points that other processes add to a run while it is recorded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from runfolio.errors import RunfolioError
from runfolio.record.base import file_bounds
from runfolio.record.base.file_names import is_writer_id
from runfolio.record.base.layout import METRICS
from runfolio.record.base.record_path import RecordPath
from runfolio.record.points import tails
from runfolio.record.points.tails import LogCall


class JoinedTails:
    """Reader of the tails (text files with the newest points) of the processes that joined an attempt. Each tail is
    read up to its last complete line.

    Points are missing if their process moved them to a segment (a Parquet file) before they were read.
    """

    def __init__(self, folder: Path, attempt: int, is_own: Callable[[str], bool]) -> None:
        """Prepare to read the tails.

        Args:
            is_own: Function that takes the id of a process and returns whether the points of this process are recorded
                elsewhere.
        """
        self._metrics = RecordPath(folder, METRICS)
        self._attempt = attempt
        self._is_own = is_own
        self._offsets: dict[str, int] = {}
        """Number of bytes that were read from each tail, or -1 if the tail is unreadable or belongs to a different
        attempt."""
        self.writers: set[str] = set()
        """Ids of the processes whose points were read."""

    def new_calls(self) -> Iterator[tuple[str, LogCall]]:
        """Yield the new log calls since the last use of this method, each with the id of its process. Damaged lines are
        skipped."""
        for path in self._metrics.files():
            writer = path.stem.removeprefix("tail-").rpartition("-")[0]
            is_tail = path.suffix == ".jsonl" and path.name.startswith("tail-") and is_writer_id(writer)
            if is_tail and not self._is_own(writer) and self._offsets.get(path.name, 0) >= 0:
                try:
                    yield from ((writer, call) for call in self._read(path, writer))
                except (OSError, RunfolioError, ValueError, KeyError, TypeError):
                    self._offsets[path.name] = -1

    def _read(self, path: RecordPath, writer: str) -> Iterator[LogCall]:
        offset = self._offsets.get(path.name, 0)
        with path.open(file_bounds.JSON_LINES) as file:
            if os.fstat(file.fileno()).st_size <= offset:
                return
            file.seek(offset)
            lines, newline, _ = file.read(file_bounds.JSON_LINE).rpartition(b"\n")
        if not newline:
            return
        self._offsets[path.name] = offset + len(lines) + 1
        if offset == 0:
            first, _, lines = lines.partition(b"\n")
            if tails.read_header(first, path)[1] != self._attempt:
                self._offsets[path.name] = -1
                return
        if lines:
            self.writers.add(writer)
            yield from tails.decode(lines + b"\n")
