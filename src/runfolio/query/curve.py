"""The points of one metric as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Curve:
    """The points of one metric on a run's newest branch, in order of arrival; all arrays [n]."""

    metric: str
    steps: NDArray[np.int64]
    times: NDArray[np.float64]
    """Seconds since 1970 UTC, as `time.time()` counts them; exact to the microsecond."""
    values: NDArray[np.float64]
    """NaN and infinities as they were logged."""
    x: NDArray[np.float64]
    """Position on the x axis; NaN if it is not known."""
    x_name: str
    """Name of the x axis: `step`, `time` (seconds since the start, without pauses) or a metric."""

    def __len__(self) -> int:
        return len(self.steps)
