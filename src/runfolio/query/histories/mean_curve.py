"""Mean and spread of several curves, at every position where at least one curve has a point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from runfolio.query.selection.significance import t_95

Floats = NDArray[np.float64]
Spread = Literal["minmax", "std", "ci"]
SPREADS: dict[Spread, str] = {
    "minmax": "lowest to highest",
    "std": "± 1 standard deviation",
    "ci": "95 % interval of the mean (Student's t)",
}
"""Readable description of each kind of band."""


@dataclass(frozen=True, eq=False)
class Mean:
    """Mean curve with a band. All arrays have the shape [n]."""

    x: NDArray[np.float64]
    """Positions at which at least one curve has a finite value, ascending."""
    y: NDArray[np.float64]
    """Mean of the curves."""
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.intp]
    """Number of curves that contribute to each position."""
    interpolated: bool
    """True if at least one curve was linearly interpolated, because the curves have different x values."""


def mean(curves: Sequence[tuple[Floats, Floats]], spread: Spread) -> Mean:
    """Return the mean of several curves. Each curve is a pair of arrays: x in ascending order, and y.

    Curves are interpolated linearly between their points and are not extrapolated. If a curve has several points at the
    same x, their mean is used. For the spread `minmax`, each of these points counts. Values that are not finite are
    ignored. The arrays over all positions need the same memory for any number of curves.
    """
    finite = [(x[np.isfinite(y)], y[np.isfinite(y)]) for x, y in curves]
    finite = [(x, y) for x, y in finite if len(x)]
    x = np.unique(np.concatenate([np.empty(0), *(x for x, _ in finite)]))
    count = np.zeros(len(x), np.intp)
    middle, squares = np.zeros(len(x)), np.zeros(len(x))
    low, high = np.full(len(x), np.inf), np.full(len(x), -np.inf)
    interpolated = False
    for own_x, own_y in finite:
        distinct, span, y = _on_positions(x, own_x, own_y)
        interpolated |= len(distinct) < len(x)
        count[span] += 1
        difference = y - middle[span]
        middle[span] += difference / count[span]  # Welford's update needs one curve at a time
        squares[span] += difference * (y - middle[span])
        for extreme, ufunc in ((low, np.minimum), (high, np.maximum)):
            ufunc(extreme[span], y, out=extreme[span])
            if len(distinct) < len(own_x):
                ufunc.at(extreme, np.searchsorted(x, own_x), own_y)
    deviation = np.sqrt(squares / np.maximum(count - 1, 1))
    if spread == "std":
        low, high = middle - deviation, middle + deviation
    elif spread == "ci":
        quantiles = np.array([math.nan, math.nan, *(t_95(number - 1) for number in range(2, len(finite) + 1))])
        half = quantiles[count] * deviation / np.sqrt(np.maximum(count, 1))
        low, high = middle - half, middle + half
    return Mean(x, middle, low, high, count, interpolated)


def _on_positions(x: Floats, own_x: Floats, own_y: Floats) -> tuple[Floats, slice, Floats]:
    """Return a curve's distinct positions, the slice of `x` that the curve spans, and its values in that slice."""
    distinct, starts = np.unique(own_x, return_index=True)
    if len(distinct) < len(own_x):
        own_y = np.add.reduceat(own_y, starts) / np.diff(starts, append=len(own_y))
    positions = np.searchsorted(x, distinct)
    span = slice(int(positions[0]), int(positions[-1]) + 1)
    if span.stop - span.start == len(distinct):
        return distinct, span, own_y
    y = np.interp(x[span], distinct, own_y)
    y[positions - span.start] = own_y  # exact values avoid rounding errors of the interpolation
    return distinct, span, y
