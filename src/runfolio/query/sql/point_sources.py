"""Sources of the SQL view `points`: Parquet files that DuckDB reads itself, and a stream of all other points. The view
has one row per point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from runfolio.query.frames.points import point_batches
from runfolio.query.run_view import RunView
from runfolio.record.base.layout import ALIVE, METRICS
from runfolio.record.base.record_path import RecordPath

_TEXT = pa.dictionary(pa.int32(), pa.string())
_SCHEMA = pa.schema(
    [
        ("run", _TEXT),
        ("metric", _TEXT),
        ("step", pa.int64()),
        ("time", pa.timestamp("us")),
        ("value", pa.float64()),
        ("attempt", pa.int32()),
    ]
)
_GLOB = frozenset("*?[")
"""Glob characters. DuckDB treats a path with such a character as a pattern for several files, so runfolio reads the
points itself."""


class PointStream:
    """Points of runs as a stream of Arrow batches. Each scan reads the points again."""

    def __init__(self, runs: Sequence[RunView]) -> None:
        self._runs = runs

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return pa.RecordBatchReader.from_batches(_SCHEMA, self._batches()).__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for batch in point_batches(self._runs, system=True):
            times = batch.column("time").view(_SCHEMA.field("time").type)
            columns = [batch.column(name) for name in ("id", "metric", "step", "value", "attempt")]
            yield pa.RecordBatch.from_arrays([*columns[:3], times, *columns[3:]], schema=_SCHEMA)


def split_sources(runs: Sequence[RunView]) -> tuple[dict[str, str], list[RunView]]:
    """Return the files that DuckDB can read itself, and the runs that need a stream of points. A file is included if it
    contains exactly the points of one run. The mapping contains the run id of each file, keyed by path.
    """
    files: dict[str, str] = {}
    others: list[RunView] = []
    for run in runs:
        path = _only_segment(run)
        if path is None:
            others.append(run)
        else:
            files[path] = run.id
    return files, others


def points_sql(files: dict[str, str]) -> str:
    """Return a SELECT for all points. The tables `point_files` (path, run) and `streamed_points` must exist."""
    streamed = "FROM streamed_points"
    if not files:
        return streamed
    paths = ", ".join(quote(path) for path in files)
    columns = "run, metric, step, make_timestamp(time_us) AS time, value, attempt"
    files_sql = f"FROM read_parquet([{paths}], filename = true) JOIN point_files ON filename = path"
    return f"{files_sql} SELECT {columns} UNION ALL {streamed}"


def quote(text: str) -> str:
    """Return a string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _only_segment(run: RunView) -> str | None:
    """Return the path of a run's only point file. Return None if the run is damaged or has several attempts or
    processes."""
    attempts = run.document.attempts
    if run.problems or len(attempts) != 1 or not _GLOB.isdisjoint(str(run.folder)):
        return None
    writers = {name.partition(".")[0] for name in _names(run, ALIVE)}
    files = [name for name in _names(run, METRICS) if name.startswith(("segment-", "tail-"))]
    if len(files) != 1 or not files[0].startswith("segment-") or not writers <= {attempts[0].writer}:
        return None
    return str(run.folder / METRICS / files[0])


def _names(run: RunView, folder: str) -> list[str]:
    """Return the names of the files in a folder. An entry that is not a file gets the name `tail-unusable`, so
    `_only_segment` returns None for the run."""
    try:
        with RecordPath(run.folder, folder).scan() as entries:
            return [
                entry.name if entry.is_file(follow_symlinks=False) else "tail-unusable"
                for entry in entries
                if not entry.name.startswith(".")
            ]
    except OSError:
        return []
