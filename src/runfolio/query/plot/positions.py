"""Where the points of a curve lie from left to right: by step, by time, or by epoch."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import ConfigError
from runfolio.query.recorded import Curve, RecordedRun

XAxis = Literal["step", "time", "epoch"]
X_AXES: tuple[XAxis, ...] = ("step", "time", "epoch")


def positions(run: RecordedRun, curve: Curve, x: XAxis) -> NDArray[np.float64]:
    """The x of each point; [n].

    `time` is seconds since the run was created, without the pauses between its attempts. `epoch` is what the run's
    metric `epoch` (or the first that ends in `/epoch`) says at that step, straight lines between its points.

    Raises:
        ConfigError: `epoch` is asked for, and the run logged none.
    """
    if x == "time":
        return _seconds(run, curve.times)
    if x == "epoch":
        return _epochs(run, curve.steps)
    return curve.steps.astype(np.float64)


def _seconds(run: RecordedRun, times: NDArray[np.float64]) -> NDArray[np.float64]:
    paused = np.zeros(len(times))
    for attempt in run.attempts[1:]:
        resumed = attempt.started.timestamp()
        before = times[times < resumed]
        paused[times >= resumed] += resumed - before.max() if len(before) else 0.0
    return times - run.created.timestamp() - paused


def _epochs(run: RecordedRun, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    known = [name for name in run.metrics if name == "epoch" or name.endswith("/epoch")]
    if not known:
        raise ConfigError(
            f"{run.name} ({run.id}) has no metric 'epoch' to draw over;"
            " log it (run.log({'epoch': epoch}, step=step)), or draw over step or time"
        )
    curve = run.metric(min(known, key=len))
    there = np.isfinite(curve.values)
    at, first = np.unique(curve.steps[there], return_index=True)
    epochs = curve.values[there][first]
    if not len(at):
        raise ConfigError(f"{run.name} ({run.id}): its metric {curve.metric!r} is not finite anywhere")
    if len(at) == 1:
        return np.full(len(steps), epochs[0])
    # Outside of what was logged the first or the last stretch goes on: epochs are often logged at their ends only.
    place = np.clip(np.searchsorted(at, steps, side="right") - 1, 0, len(at) - 2)
    share = (steps - at[place]) / (at[place + 1] - at[place])
    return epochs[place] + share * (epochs[place + 1] - epochs[place])
