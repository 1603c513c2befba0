"""Current points of runs, as record batches of bounded size. Points that a resumed run has replaced are left out."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from runfolio.errors import NotFound
from runfolio.record.base.layout import CLAIMS, RUN_FILE
from runfolio.record.base.run_document import RUNNING, RunDocument
from runfolio.record.points.metric_summary import MetricSummary, is_system_metric

if TYPE_CHECKING:
    import pyarrow as pa

    from runfolio.query.run_view import RunView
    from runfolio.record.points.reader import PointFiles, Points

_BATCH_ROWS = 131_072
"""Minimum number of rows per batch, except in the last batch. Small runs therefore share a batch."""
_WHOLE_METRICS = 500_000
"""Maximum number of points of the named metrics in a run. Up to this number, the metrics are read one after the other,
which is the fastest way. More points are read in blocks."""


def open_points(folder: Path, document: RunDocument | None = None) -> PointFiles:
    """Open the point files of a run folder.

    Args:
        document: Content of `run.json` from an earlier scan. It is used unless the run may have continued since that
            scan.

    Raises:
        NotFound: The folder no longer exists.
    """
    from runfolio.record.points.reader import PointFiles  # imports Arrow, which tables of runs do not need

    return PointFiles(folder, current_document(folder, document))


def current_document(folder: Path, document: RunDocument | None) -> RunDocument:
    """Return the given content of `run.json` if it is still current, or else read the file.

    Raises:
        NotFound: The folder no longer exists.
    """
    try:
        return document if document is not None and _is_current(folder, document) else RunDocument.read(folder)
    except FileNotFoundError:
        raise NotFound(f"the run's folder {folder} is gone; call `folio.runs()` again") from None


def _is_current(folder: Path, document: RunDocument) -> bool:
    """Return whether the content of an ended run's `run.json` is still current. It is current until another attempt
    starts."""
    if document.status.state == RUNNING:
        return False
    newest = max((attempt.attempt for attempt in document.attempts), default=0)
    further = f"{folder}/{CLAIMS}/attempt-{newest + 1}.json"
    return os.path.exists(f"{folder}/{RUN_FILE}") and not os.path.exists(further)  # noqa: PTH110 - Path is 3x slower


def rank_metrics(folder: Path, rank: int) -> dict[str, MetricSummary]:
    """Summarize the metrics that one rank logged.

    Raises:
        NotFound: No process with this rank wrote to the run.
    """
    summaries = open_points(folder).summaries(rank)
    return {name: summary for name, summary in summaries.items() if not is_system_metric(name)}


def point_schema() -> pa.Schema:
    """Return the schema of the batches from `point_batches`."""
    import pyarrow as pa

    from runfolio.record.points.arrow_arrays import TIME

    text = pa.dictionary(pa.int32(), pa.string())
    numbers = [("step", pa.int64()), ("time", TIME), ("value", pa.float64()), ("attempt", pa.int32())]
    return pa.schema([("id", text), ("name", text), ("metric", text), *numbers])


class _PointBlock(NamedTuple):
    """Block of a run's points, ordered by metric."""

    run: RunView
    metrics: list[tuple[str, int]]
    """Name of each metric in the block, with the number of its points."""
    points: Points


def point_batches(
    runs: Sequence[RunView], metrics: Collection[str] = (), *, system: bool = False
) -> Iterator[pa.RecordBatch]:
    """Yield batches with one row per current point, ordered by run, then by metric, then by time of arrival.

    Args:
        runs: Runs in the order of the rows.
        metrics: Names of the metrics. An empty collection means all metrics.
        system: Include `system/...` metrics. This option is ignored if `metrics` is not empty.
    """
    held: list[_PointBlock] = []
    rows = 0
    for run in runs:
        for block in _blocks(run, metrics, system=system):
            held.append(block)
            rows += len(block.points)
            if rows >= _BATCH_ROWS:
                yield _batch(held)
                held, rows = [], 0
    if held:
        yield _batch(held)


def _batch(blocks: Sequence[_PointBlock]) -> pa.RecordBatch:
    import pyarrow as pa

    from runfolio.record.points.arrow_arrays import from_numpy, repeated_texts, times

    lengths = [len(block.points) for block in blocks]
    spans = [span for block in blocks for span in block.metrics]
    columns = [np.concatenate(arrays) for arrays in zip(*(block.points.columns for block in blocks), strict=True)]
    steps, times_us, values, attempts = columns
    arrays = [
        repeated_texts([block.run.id for block in blocks], lengths),
        repeated_texts([block.run.name for block in blocks], lengths),
        repeated_texts([name for name, _ in spans], [count for _, count in spans]),
        from_numpy(steps),
        times(times_us),
        from_numpy(values),
        from_numpy(attempts),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=point_schema())


def _blocks(run: RunView, metrics: Collection[str], *, system: bool) -> Iterator[_PointBlock]:
    named = [name for name in sorted(set(metrics)) if name in run.metric_summaries]
    if metrics and not named:
        return
    files = open_points(run.folder, run.document)
    if named and sum(run.metric_summaries[name].count for name in named) <= _WHOLE_METRICS:
        for name in named:
            points = files.read(name)
            yield _PointBlock(run, [(name, len(points))], points)
        return
    needed = named or [name for name in files.names() if system or not is_system_metric(name)]
    for spans, points in files.blocks(set(needed)):
        yield _PointBlock(run, spans, points)
