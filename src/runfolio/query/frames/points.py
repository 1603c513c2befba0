"""Current points of runs, as arrays and data frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import MissingExtra, NotFound
from runfolio.record.points.metric_summary import MetricSummary, is_system_metric

if TYPE_CHECKING:
    import pandas as pd

    from runfolio.query.run_view import RunView
    from runfolio.record.points.reader import PointFiles


def open_points(folder: Path) -> PointFiles:
    """Open the point files of a run folder.

    Raises:
        NotFound: The folder is gone.
    """
    from runfolio.record.points.reader import PointFiles  # imports Arrow, which tables of runs do not need

    try:
        return PointFiles(folder)
    except FileNotFoundError:
        raise NotFound(f"the run's folder {folder} is gone; call `folio.runs()` again") from None


def rank_metrics(folder: Path, rank: int) -> dict[str, MetricSummary]:
    """Summarize the metrics that one rank logged.

    Raises:
        NotFound: No process of this rank wrote the run.
    """
    summaries = open_points(folder).summaries(rank)
    return {name: summary for name, summary in summaries.items() if not is_system_metric(name)}


def points_frame(folder: Path, *, system: bool) -> pd.DataFrame:
    """Return one row per point of a run (see `RecordedRun.to_pandas`)."""
    pd = import_pandas()
    files = open_points(folder)
    points = {name: files.read(name) for name in files.names() if system or not is_system_metric(name)}
    times = _joined([metric.times_us for metric in points.values()], np.int64)
    return pd.DataFrame(
        {
            "metric": np.repeat(np.array(list(points), dtype=object), [len(metric) for metric in points.values()]),
            "step": _joined([metric.steps for metric in points.values()], np.int64),
            "time": pd.to_datetime(times, unit="us", utc=True),
            "value": _joined([metric.values for metric in points.values()], np.float64),
        }
    )


def points_of_runs(runs: Sequence[RunView], *, system: bool) -> pd.DataFrame:
    """Return one row per point of several runs (see `Runs.points`)."""
    pd = import_pandas()
    frames = [points_frame(run.folder, system=system) for run in runs]
    for run, frame in zip(runs, frames, strict=True):
        frame.insert(0, "id", run.id)
        frame.insert(1, "name", run.name)
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled or frames[:1], ignore_index=True) if frames else pd.DataFrame()


def import_pandas() -> Any:
    """Import pandas.

    Raises:
        MissingExtra: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtra("pandas", "pandas", "to_pandas()") from None
    return pd


def _joined(arrays: list[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *arrays])
