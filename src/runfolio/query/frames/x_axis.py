"""Positions of points on the x axis: step, time, or another metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import ConfigError, nearest

if TYPE_CHECKING:
    from runfolio.query.run_view import RunView
    from runfolio.record.points.reader import Branch, PointFiles, Points

BUILT_IN = ("step", "time")
_EPOCH = "epoch"


def along(
    run: RunView,
    files: PointFiles,
    metric: str,
    points: Points,
    x: str,
    rank: int | None = None,
    branch: Branch = "newest",
) -> NDArray[np.float64]:
    """Return the position of each point on the x axis, shape [n].

    `time` means the seconds since the start, without the pauses between attempts. If `x` is a metric, the position is
    its value from the same log call. If that call has no value, the previous value that the same process logged is
    used, or NaN if there is none. If some log calls have no epoch, `epoch` is interpolated from the steps, unless the
    run defined it as the x axis.

    Args:
        run: Run that logged the points.
        files: Files that the points were read from.
        metric: Metric of the points.
        points: Points of the metric.
        x: `step`, `time`, or a metric. If there is no metric `epoch`, `epoch` means the shortest name that ends in
            `/epoch`.
        rank: Rank whose points were read. None means the default of `RecordedRun.metric`: usually the primary process.
        branch: Points that were read: all points, or only those that no resume has discarded (see `Branch` in
            `record.points.reader`).

    Raises:
        ConfigError: The run has no metric `x`.
    """
    if x == "step":
        return points.steps.astype(np.float64)
    if x == "time":
        return _seconds(run, points)
    name = _metric_of(run, x)
    values, is_same_call = files.align(metric, name, rank, branch)
    if x == _EPOCH != default_x(run, metric) and not is_same_call.all():
        return _interpolated(run, files, name, points.steps)
    return values


def default_x(run: RunView, metric: str) -> str:
    """Return the x axis that the run defined for a metric: `step`, `time` or a metric."""
    x = run.document.axis_of(metric)
    return x if x in BUILT_IN or x in run.metric_summaries else "step"


def _metric_of(run: RunView, x: str) -> str:
    """Return the metric that `x` refers to."""
    if x in run.metric_summaries:
        return x
    candidates = [name for name in run.metrics if name.endswith("/epoch")] if x == _EPOCH else []
    if not candidates:
        similar = nearest(x, [*BUILT_IN, *run.metrics])
        raise ConfigError(
            f"{run.name} ({run.id}) has no metric {x!r} for the x axis; log it (run.log({{{x!r}: {x}}}, step=step)), or"
            f" use {' or '.join(similar or BUILT_IN)}"
        )
    return min(candidates, key=len)


def _seconds(run: RunView, points: Points) -> NDArray[np.float64]:
    starts = {attempt.attempt: attempt.started.timestamp() for attempt in run.document.attempts}
    times: NDArray[np.float64] = points.times_us / 1e6
    seconds = np.zeros(len(points))
    offset = 0.0
    for attempt in np.unique(points.attempts):
        in_attempt = points.attempts == attempt
        start = starts.get(int(attempt), float(times[in_attempt][0]))
        seconds[in_attempt] = times[in_attempt] - start + offset
        offset = max(offset, seconds[in_attempt].max())
    return seconds


def _interpolated(run: RunView, files: PointFiles, name: str, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the value of the metric `name` at each step. Missing values are interpolated linearly."""
    points = files.read(name)
    is_finite = np.isfinite(points.values)
    logged_steps, first = np.unique(points.steps[is_finite], return_index=True)
    epochs = points.values[is_finite][first]
    if not len(logged_steps):
        raise ConfigError(f"{run.name} ({run.id}): metric {name!r} has no finite value")
    if len(logged_steps) == 1:
        return np.full(len(steps), epochs[0])
    # Steps outside the logged range are extrapolated, since an epoch is often logged only at its end.
    segment = np.clip(np.searchsorted(logged_steps, steps, side="right") - 1, 0, len(logged_steps) - 2)
    fraction = (steps - logged_steps[segment]) / (logged_steps[segment + 1] - logged_steps[segment])
    return epochs[segment] + fraction * (epochs[segment + 1] - epochs[segment])
