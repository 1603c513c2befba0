"""Small outlines of curves for tables of runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BUCKETS = 64
_LARGEST = float(np.finfo(np.float32).max)
_HELD_POINTS = 4_096
"""Maximum number of points in memory. If there are more points, only the last point of each fine bucket (small range of
steps) is kept."""
_FINE_BUCKETS = 32 * BUCKETS


@dataclass
class SparklineBuckets:
    """Sparkline of a metric.

    The range of steps is divided into 64 equal parts (buckets), and the sparkline contains the last finite value of
    each part. The points arrive in blocks.
    """

    _low: float = np.inf
    _high: float = -np.inf
    _steps: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    _values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def add(self, steps: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Add points in order of arrival. Both arrays have the shape [n], with n > 0."""
        finite = np.isfinite(values)
        self.extend(SparklineBuckets(float(steps.min()), float(steps.max()), steps[finite], values[finite]))

    def extend(self, later: SparklineBuckets) -> None:
        """Add the points of another sparkline, which arrived later."""
        self._low, self._high = min(self._low, later._low), max(self._high, later._high)
        self._steps = np.concatenate((self._steps, later._steps))
        self._values = np.concatenate((self._values, later._values))
        if len(self._steps) > _HELD_POINTS:
            # The width is a power of two. Therefore, each wider bucket of a later call consists of whole earlier
            # buckets.
            last = self._last_positions(2 ** np.ceil(np.log2(self._range / _FINE_BUCKETS)), _FINE_BUCKETS)
            kept = np.sort(last[last >= 0])
            self._steps, self._values = self._steps[kept], self._values[kept]

    def encode(self) -> bytes:
        """Return the values as 64 little-endian float32 numbers. A bucket without a finite value is NaN."""
        last = self._last_positions(self._range / BUCKETS, BUCKETS)
        values = np.append(np.clip(self._values, -_LARGEST, _LARGEST), np.nan)  # the position -1 selects NaN
        return values[last].astype("<f4").tobytes()

    @property
    def _range(self) -> float:
        return max(self._high - self._low, 1.0)

    def _last_positions(self, width: float, buckets: int) -> NDArray[np.intp]:
        """Return the position of the last point in each bucket, or -1 if the bucket is empty. All buckets have the
        given width."""
        places = np.minimum((self._steps - self._low) / width, buckets - 1).astype(np.intp)
        last = np.full(buckets, -1, np.intp)
        np.maximum.at(last, places, np.arange(len(places)))
        return last
