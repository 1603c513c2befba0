"""Resampling of curves into bins of equal width."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Bins(NamedTuple):
    """Statistics of a curve's points in each bin. All arrays have the shape [n]. Empty bins are omitted."""

    x: NDArray[Any]
    """Start of each bin, ascending."""
    mean: NDArray[np.float64]
    """Mean of the values that are not NaN, or NaN if all values are NaN. `min` and `max` treat NaN in the same way."""
    min: NDArray[np.float64]
    max: NDArray[np.float64]
    points: NDArray[np.int64]
    """Number of points, including NaN."""


def resample(x: NDArray[Any], y: NDArray[np.float64], every: float) -> Bins:
    """Group the points of a curve into the bins [k * every, (k + 1) * every).

    Args:
        x: Positions in ascending order, shape [n]. The bins are integers if `x` and `every` are integers.
        y: Values, shape [n].
        every: Width of a bin, above 0.
    """
    if not len(x):
        return Bins(x, y, y, y, np.empty(0, np.int64))
    bins = np.floor_divide(x, every)
    starts = np.append(0, np.flatnonzero(bins[1:] != bins[:-1]) + 1)
    is_nan = np.isnan(y)
    counts = np.diff(starts, append=len(x))
    numbers = counts - np.add.reduceat(is_nan.astype(np.int64), starts)
    with np.errstate(invalid="ignore", over="ignore"):  # the sum of infinities of both signs is invalid
        sums = np.add.reduceat(np.where(is_nan, 0.0, y), starts)
        mean = np.where(numbers, sums / np.maximum(numbers, 1), np.nan)
    lowest = np.minimum.reduceat(np.where(is_nan, np.inf, y), starts)
    highest = np.maximum.reduceat(np.where(is_nan, -np.inf, y), starts)
    has_number = numbers > 0
    low, high = np.where(has_number, lowest, np.nan), np.where(has_number, highest, np.nan)
    return Bins(bins[starts] * every, mean, low, high, counts)
