"""The mean of several curves, and their spread."""

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
"""Meaning of a band, in words."""
_COMMON_POINTS = 1000


@dataclass(frozen=True, eq=False)
class Mean:
    """Several curves as one; all arrays [n]."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    """NaN where there is no curve."""
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.intp]
    """How many curves there are at each x."""
    interpolated: bool
    """Whether the curves have points at different x, and so were drawn straight between their own."""


def mean(curves: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], spread: Spread) -> Mean:
    """The mean of curves (x ascending, y), each as far as it goes; what is not finite is left out."""
    finite = [(x[np.isfinite(y)], y[np.isfinite(y)]) for x, y in curves]
    finite = [(x, y) for x, y in finite if len(x)]
    if not finite:
        empty = np.empty(0)
        return Mean(empty, empty, empty, empty, np.empty(0, np.intp), interpolated=False)
    x = np.unique(np.concatenate([x for x, _ in finite]))
    interpolated = any(not np.array_equal(x, own) for own, _ in finite)
    if interpolated and len(x) > _COMMON_POINTS:
        x = np.linspace(x[0], x[-1], _COMMON_POINTS)
    rows = np.stack([np.interp(x, own, y, left=np.nan, right=np.nan) if interpolated else y for own, y in finite])
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
