"""Points of one metric as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of one metric on the newest branch of a run, in order of arrival. All arrays are [n]."""

    metric: str
    steps: NDArray[np.int64]
    times: NDArray[np.float64]
    """Seconds since 1970 UTC, like `time.time()`, exact to the microsecond."""
    values: NDArray[np.float64]
    """Logged values, including NaN and infinities."""
    x: NDArray[np.float64]
    """Position on the x axis; NaN if unknown."""
    x_name: str
    """Name of the x axis: `step`, `time` (seconds since the start, without pauses), or a metric."""

    def __len__(self) -> int:
        return len(self.steps)
