"""Summaries of metrics from a stream of points, in bounded memory for runs of any size."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from runfolio.record.points.metric_summary import MetricSummary
from runfolio.record.points.row_merging import Rows, find_spans
from runfolio.record.points.sparkline_buckets import SparklineBuckets

Positions = NDArray[np.int64]
Name = TypeVar("Name", int, str)
ChooseMetrics = Callable[[Collection[str]], Collection[str]]
"""Function that selects some of the given metrics."""


class Overview(NamedTuple):
    """Summaries of all metrics, and sparklines of some metrics, by name."""

    summaries: dict[str, MetricSummary]
    sparklines: dict[str, SparklineBuckets]

    def extend(self, later: Overview) -> None:
        """Add the summaries and sparklines of later points.

        Every metric with a sparkline in `later` must already have a sparkline here.
        """
        for name, summary in later.summaries.items():
            add_later(self.summaries, name, summary)
        for name, buckets in later.sparklines.items():
            self.sparklines[name].extend(buckets)


def summarize(blocks: Iterable[Rows], sparklines: Mapping[int, SparklineBuckets]) -> dict[int, MetricSummary]:
    """Return the summary of each metric by the index of the metric, in ascending order.

    Args:
        blocks: Blocks of rows. The rows are sorted within and across blocks.
        sparklines: Sparklines by the index of the metric. The points are added to them.
    """
    summaries: dict[int, MetricSummary] = {}
    for rows in blocks:
        codes, steps, values = (np.ascontiguousarray(rows[name]) for name in ("metric", "step", "value"))
        for metric, summary in summarize_columns(codes, steps, values):
            add_later(summaries, metric, summary)
        add_to_sparklines(sparklines, codes, steps, values)
    return summaries


def add_to_sparklines(
    sparklines: Mapping[int, SparklineBuckets],
    codes: NDArray[np.int32],
    steps: NDArray[np.int64],
    values: NDArray[np.float64],
) -> None:
    """Add points to the sparklines of their metrics. All arrays have shape [n], and the points are grouped by the code
    (index) of the metric."""
    for start, stop in zip(*(bounds.tolist() for bounds in find_spans(codes)), strict=True):
        if (buckets := sparklines.get(int(codes[start]))) is not None:
            buckets.add(steps[start:stop], values[start:stop])


def add_later(summaries: dict[Name, MetricSummary], metric: Name, summary: MetricSummary) -> None:
    """Combine the summary of a metric's earlier points, if there are any, with the summary of its later points."""
    before = summaries.get(metric)
    summaries[metric] = summary if before is None else _combine(before, summary)


def summarize_columns(
    codes: NDArray[np.int32], steps: NDArray[np.int64], values: NDArray[np.float64]
) -> Iterator[tuple[int, MetricSummary]]:
    """Group the points by the code (index) of the metric, and yield each code with the summary of its points. All
    arrays have shape [n]."""
    if len(codes) == 0:
        return
    starts, stops = find_spans(codes)
    nan = np.isnan(values)
    lowest = _extreme_positions(np.where(nan, np.inf, values), np.minimum, nan, starts, stops)
    highest = _extreme_positions(np.where(nan, -np.inf, values), np.maximum, nan, starts, stops)
    nan_counts = np.add.reduceat(nan.astype(np.int64), starts)
    with np.errstate(invalid="ignore", over="ignore"):  # if there are no values, their mean is 0 / 0 = NaN
        means = np.add.reduceat(np.where(nan, 0.0, values), starts) / (stops - starts - nan_counts)
    columns = (
        stops - starts,
        steps[starts],
        steps[stops - 1],
        values[stops - 1],
        values[lowest],
        steps[lowest],
        values[highest],
        steps[highest],
        means,
        nan_counts,
    )
    for metric, *entries in zip(codes[starts].tolist(), *(column.tolist() for column in columns), strict=True):
        yield metric, MetricSummary(*entries)


def _extreme_positions(
    values: NDArray[np.float64], extreme: np.ufunc, nan: NDArray[np.bool_], starts: Positions, stops: Positions
) -> Positions:
    """Return the position at which each metric first reaches its extreme.

    If all values are NaN, return the position of the first point.
    """
    reached = np.flatnonzero((values == np.repeat(extreme.reduceat(values, starts), stops - starts)) & ~nan)
    positions = np.append(reached, len(values))[np.searchsorted(reached, starts)]
    return np.where(positions < stops, positions, starts)


def _combine(a: MetricSummary, b: MetricSummary) -> MetricSummary:
    """Combine the summaries of a metric's earlier and later points."""
    lower, higher = (b.min < a.min or np.isnan(a.min), b.max > a.max or np.isnan(a.max))
    return MetricSummary(
        count=a.count + b.count,
        first_step=a.first_step,
        last_step=b.last_step,
        last=b.last,
        min=b.min if lower else a.min,
        min_step=b.min_step if lower else a.min_step,
        max=b.max if higher else a.max,
        max_step=b.max_step if higher else a.max_step,
        mean=_combined_mean(a, b),
        nan=a.nan + b.nan,
    )


def _combined_mean(a: MetricSummary, b: MetricSummary) -> float:
    count_a, count_b = a.count - a.nan, b.count - b.nan
    if not count_a or not count_b:
        return a.mean if count_a else b.mean
    count = count_a + count_b
    return a.mean * (count_a / count) + b.mean * (count_b / count)  # a difference of infinities would be NaN
