"""Where the points of a curve lie from left to right: by step, by time, or by another metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import ConfigError, nearest

if TYPE_CHECKING:
    from runfolio.query.run_view import RunView
    from runfolio.record.points.reader import PointFiles, Points

BUILT_IN = ("step", "time")
_EPOCH = "epoch"


def along(
    run: RunView, files: PointFiles, metric: str, points: Points, x: str, rank: int | None = None
) -> NDArray[np.float64]:
    """The x of each point, as `files` read them of a rank; [n].

    `time` is seconds since the run was begun, without the pauses between its attempts. A metric is its value of the
    same log call, else of the last before by the same writer; NaN before the first. `epoch`, where the run did not
    define it to be so, is what the metric `epoch` (or the first that ends in `/epoch`) says at that step, straight
    lines between its points, if not every point has an epoch of its own log call.

    Raises:
        ConfigError: The run has no such metric.
    """
    if x == "step":
        return points.steps.astype(np.float64)
    if x == "time":
        return _seconds(run, points)
    name = _named(run, x)
    values, same = files.align(metric, name, rank)
    if x == _EPOCH != default_x(run, metric) and not same.all():
        return _between(run, files, name, points.steps)
    return values


def default_x(run: RunView, metric: str) -> str:
    """Return the x axis of a metric if nobody asks for another: `step`, `time` or a metric, as the run defined it."""
    x = run.document.axis_of(metric)
    return x if x in BUILT_IN or x in run.metric_summaries else "step"


def _named(run: RunView, x: str) -> str:
    """The metric that `x` means."""
    if x in run.metric_summaries:
        return x
    candidates = [name for name in run.metrics if name.endswith("/epoch")] if x == _EPOCH else []
    if not candidates:
        near = nearest(x, [*BUILT_IN, *run.metrics])
        raise ConfigError(
            f"{run.name} ({run.id}) has no metric {x!r} to draw over; log it (run.log({{{x!r}: {x}}}, step=step)), or"
            f" draw over {' or '.join(near or BUILT_IN)}"
        )
    return min(candidates, key=len)


def _seconds(run: RunView, points: Points) -> NDArray[np.float64]:
    started = {attempt.attempt: attempt.started.timestamp() for attempt in run.document.attempts}
    times: NDArray[np.float64] = points.times_us / 1e6
    seconds = np.zeros(len(points))
    before = 0.0
    for attempt in np.unique(points.attempts):
        of_attempt = points.attempts == attempt
        start = started.get(int(attempt), float(times[of_attempt][0]))
        seconds[of_attempt] = times[of_attempt] - start + before
        before = max(before, seconds[of_attempt].max())
    return seconds


def _between(run: RunView, files: PointFiles, name: str, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """The metric `name` at each step, on straight lines between its points."""
    points = files.read(name)
    finite = np.isfinite(points.values)
    known_steps, first = np.unique(points.steps[finite], return_index=True)
    epochs = points.values[finite][first]
    if not len(known_steps):
        raise ConfigError(f"{run.name} ({run.id}): its metric {name!r} is not finite anywhere")
    if len(known_steps) == 1:
        return np.full(len(steps), epochs[0])
    # Outside of the logged steps the first or the last line is extended: epochs are often logged at their ends only.
    segment = np.clip(np.searchsorted(known_steps, steps, side="right") - 1, 0, len(known_steps) - 2)
    fraction = (steps - known_steps[segment]) / (known_steps[segment + 1] - known_steps[segment])
    return epochs[segment] + fraction * (epochs[segment + 1] - epochs[segment])
