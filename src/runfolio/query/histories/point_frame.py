"""Points of runs as tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import ConfigError, NotFound, did_you_mean
from runfolio.query.arrow_frame import ArrowFrame
from runfolio.query.frames import x_axis
from runfolio.query.frames.points import open_points, point_batches, point_schema
from runfolio.query.histories.mean_curve import SPREADS, Spread, mean
from runfolio.query.histories.resampling import resample
from runfolio.query.run_view import RunView
from runfolio.query.selection.grouping import group_runs
from runfolio.record.points.metric_summary import is_system_metric

if TYPE_CHECKING:
    import pyarrow as pa

    from runfolio.query.histories.series_tables import MetricSeries
    from runfolio.record.points.reader import PointFiles
_PLAIN_COLUMNS = ("metric", "step", "time", "value")


@dataclass(frozen=True, kw_only=True)
class PointOptions:
    """Options for a table of points.

    Raises:
        ConfigError: A value is not allowed.
    """

    x: str | None = None
    """Axis of the table: `step` (default), `time` (seconds since the start, without pauses), `epoch` or a metric."""
    wide: bool = False
    """True for one column per metric and one row per position on the axis."""
    every: float | None = None
    """Bin width for resampling, in units of the axis. None keeps every point."""
    group_by: str | Sequence[str] = ()
    """Columns to group by (see `grouping.group_runs`). The table then has one mean curve per group and metric."""
    spread: Spread = "ci"
    """Meaning of the columns `low` and `high` of a group: `minmax`, `std` or `ci` (95 % interval of the mean)."""
    system: bool = False
    """True to include machine load and training speed (`system/...`). This option is ignored if metrics are named."""

    def __post_init__(self) -> None:
        if self.every is not None and not 0 < self.every < math.inf:
            raise ConfigError(f"every is {self.every!r}; it must be a number above 0")
        if self.spread not in SPREADS:
            raise ConfigError(f"the spread is {self.spread!r}; it must be one of {', '.join(SPREADS)}")

    @property
    def is_plain(self) -> bool:
        """True if the table has one row per logged point, with the columns `step` and `time`."""
        return self.x in (None, "step") and not (self.wide or self.every or self.group_by)

    @property
    def axis(self) -> str:
        """Name of the column that contains the positions."""
        return {"time": "seconds"}.get(self.x or "step", self.x or "step")


class PointFrame(ArrowFrame):
    """Points of several runs. Each conversion reads the points from the files again."""

    def __init__(
        self, runs: Sequence[RunView], metrics: Sequence[str], options: PointOptions, *, has_runs: bool = True
    ) -> None:
        recorded = {name for run in runs for name in run.metric_summaries}
        for metric in metrics:
            if metric not in recorded:
                raise NotFound(f"no run here has a metric {metric!r}; {did_you_mean(metric, recorded)}")
        self._runs, self._metrics, self._options = runs, metrics, options
        self._run_columns = ["id", "name"] if has_runs else []

    def __repr__(self) -> str:
        return f"<PointFrame of {len(self._runs)} runs>"

    def to_arrow(self) -> pa.Table:
        import pyarrow as pa

        if self._options.is_plain:
            batches = self._plain_batches()
            return pa.Table.from_batches(batches, self._plain_schema()).unify_dictionaries()
        from runfolio.query.histories.series_tables import long_table, wide_table

        options = self._options
        labels = ["group"] if options.group_by else self._run_columns
        series = list(self._means() if options.group_by else self._series())
        return (wide_table if options.wide else long_table)(series, labels, options.axis)

    def batches(self) -> pa.RecordBatchReader:
        """Return the points in batches of bounded size. Not all points need to fit into memory at once.

        Raises:
            ConfigError: The options request a table that does not have one row per point.
        """
        import pyarrow as pa

        if not self._options.is_plain:
            raise ConfigError("batches contain points as they were logged; omit x, wide, every and group_by")
        return pa.RecordBatchReader.from_batches(self._plain_schema(), self._plain_batches())

    def _plain_schema(self) -> pa.Schema:
        import pyarrow as pa

        schema = point_schema()
        return pa.schema([schema.field(name) for name in (*self._run_columns, *_PLAIN_COLUMNS)])

    def _plain_batches(self) -> Iterator[pa.RecordBatch]:
        names = self._plain_schema().names
        for batch in point_batches(self._runs, self._metrics, system=self._options.system):
            yield batch.select(names)

    def _series(self) -> Iterator[MetricSeries]:
        """Yield one series per run and metric. A series contains points, or bins if the points are resampled."""
        from runfolio.query.histories.series_tables import MetricSeries

        every = self._options.every
        for run in self._runs:
            files = open_points(run.folder, run.document)
            for metric in self._metrics_of(run):
                x, columns = self._positioned(run, files, metric)
                if every is not None:
                    bins = resample(x, columns["value"], every)
                    x = bins.x
                    columns = {"value": bins.mean, "min": bins.min, "max": bins.max, "count": bins.points}
                labels = (run.id, run.name)[: len(self._run_columns)]
                yield MetricSeries(run.run_path, labels, metric, x, columns)

    def _means(self) -> Iterator[MetricSeries]:
        """Yield one mean curve per metric and group of runs."""
        from runfolio.query.histories.series_tables import MetricSeries

        every = self._options.every
        for label, members in group_runs(self._runs, self._options.group_by).members.items():
            for metric in sorted({name for run in members for name in self._metrics_of(run)}):
                curves = [self._curve(run, metric) for run in members if metric in run.metric_summaries]
                average = mean(curves, self._options.spread)
                x, y, low, high, count = average.x, average.y, average.low, average.high, average.count.astype(np.int64)
                if every is not None:
                    bins = resample(x, y, every)
                    low, high = resample(x, low, every).min, resample(x, high, every).max
                    count = resample(x, count.astype(np.float64), every).max.astype(np.int64)
                    x, y = bins.x, bins.mean
                yield MetricSeries(label, (label,), metric, x, {"mean": y, "low": low, "high": high, "runs": count})

    def _metrics_of(self, run: RunView) -> list[str]:
        chosen = set(self._metrics)
        return sorted(
            name
            for name in run.metric_summaries
            if (name in chosen if chosen else self._options.system or not is_system_metric(name))
        )

    def _curve(self, run: RunView, metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        x, columns = self._positioned(run, open_points(run.folder, run.document), metric)
        return x.astype(np.float64), columns["value"]

    def _positioned(self, run: RunView, files: PointFiles, metric: str) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        """Return the positions and values of all points that have a position, in ascending order of position."""
        points = files.read(metric)
        axis = self._options.x or "step"
        x = points.steps if axis == "step" else x_axis.along(run, files, metric, points, axis)
        order = np.argsort(x, kind="stable")
        order = order[np.isfinite(x[order])]
        return x[order], {"value": points.values[order]}
