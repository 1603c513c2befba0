"""Mean and spread of several curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from runfolio.query.selection.significance import t_95

Spread = Literal["minmax", "std", "ci"]
SPREADS: dict[Spread, str] = {
    "minmax": "lowest to highest",
    "std": "± 1 standard deviation",
    "ci": "95 % interval of the mean (Student's t)",
}
"""Readable description of each kind of band."""
_COMMON_POINTS = 1000


@dataclass(frozen=True, eq=False)
class Mean:
    """Mean curve with a band. All arrays are [n]."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    """Mean; NaN if no curve has a value."""
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.intp]
    """Number of curves at each x."""
    interpolated: bool
    """True if the curves have different x values, so that they were interpolated linearly."""


def mean(curves: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], spread: Spread) -> Mean:
    """Return the mean of curves, given as ascending x and y.

    Values that are not finite are ignored, and curves are not extrapolated.
    """
    finite = [(x[np.isfinite(y)], y[np.isfinite(y)]) for x, y in curves]
    finite = [(x, y) for x, y in finite if len(x)]
    if not finite:
        empty = np.empty(0)
        return Mean(empty, empty, empty, empty, np.empty(0, np.intp), interpolated=False)
    x = np.unique(np.concatenate([x for x, _ in finite]))
    interpolated = any(not np.array_equal(x, own_x) for own_x, _ in finite)
    if interpolated and len(x) > _COMMON_POINTS:
        x = np.linspace(x[0], x[-1], _COMMON_POINTS)
    rows = np.stack([np.interp(x, own_x, y, left=np.nan, right=np.nan) if interpolated else y for own_x, y in finite])
    present = ~np.isnan(rows)
    count = present.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = np.where(present, rows, 0.0).sum(axis=0) / count
        squares = np.where(present, (rows - middle) ** 2, 0.0).sum(axis=0)
        deviation = np.sqrt(squares / np.maximum(count - 1, 1))
    if spread == "std":
        return Mean(x, middle, middle - deviation, middle + deviation, count, interpolated)
    if spread == "ci":
        quantiles = np.array([math.nan, math.nan, *(t_95(number - 1) for number in range(2, len(rows) + 1))])
        half = quantiles[count] * deviation / np.sqrt(np.maximum(count, 1))
        return Mean(x, middle, middle - half, middle + half, count, interpolated)
    low, high = np.where(present, rows, np.inf).min(axis=0), np.where(present, rows, -np.inf).max(axis=0)
    return Mean(x, middle, np.where(count, low, np.nan), np.where(count, high, np.nan), count, interpolated)
