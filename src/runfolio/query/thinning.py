"""Thinning of curves. The plot of a thinned curve looks the same, because only hidden points are removed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]
_KEPT = 4
"""Maximum number of points to keep in a column without gaps. A curve that has at most this many points per column is
not thinned."""


def thinned_indices(
    x: NDArray[np.float64], y: NDArray[np.float64], columns: int, span: tuple[float, float] | None = None
) -> Indices:
    """Return the indices of the points that produce the same plot as all points, in ascending order.

    The result contains the first, last, lowest and highest points of each pixel column (the M4 algorithm). Therefore
    every spike remains visible. NaN values are gaps. The first and the last NaN of each column are included too.

    Args:
        x: Positions, ascending and finite, shape [n].
        y: Values, shape [n].
        columns: Number of pixel columns.
        span: Positions of the left and the right edge of the plot. All points must be between these edges. Default: the
            first and the last position.

    Source: Jugel et al., "M4: A Visualization-Oriented Time Series Data Aggregation", PVLDB 7(10), 2014.
    """
    count = len(x)
    if count <= _KEPT * columns:
        return np.arange(count)
    starts = _column_starts(x, columns, span or (float(x[0]), float(x[-1])))
    stops = np.append(starts[1:], count)
    gaps = np.isnan(y)
    has_gaps = bool(gaps.any())
    kept = [
        _first_extreme(np.where(gaps, np.inf, y) if has_gaps else y, np.minimum, starts, stops),
        _first_extreme(np.where(gaps, -np.inf, y) if has_gaps else y, np.maximum, starts, stops),
    ]
    kept += [*_ends(gaps, starts, stops), *_ends(~gaps, starts, stops)] if has_gaps else [starts, stops - 1]
    is_kept = np.zeros(count, bool)
    is_kept[np.concatenate(kept)] = True
    return np.flatnonzero(is_kept)


def pixel_columns(x: NDArray[np.float64], columns: int, span: tuple[float, float]) -> NDArray[np.int64]:
    """Return the index of the pixel column that contains each position. The arguments are the same as for
    `thinned_indices`."""
    left, right = span
    if left == right:
        return np.zeros(len(x), np.int64)
    column = ((x - left) / (right - left) * columns).astype(np.int64)
    return np.minimum(column, columns - 1, out=column)  # the last position belongs to the last column


def _column_starts(x: NDArray[np.float64], columns: int, span: tuple[float, float]) -> Indices:
    """Return the index of the first point in each column that contains points."""
    column = pixel_columns(x, columns, span)
    return np.append(0, np.flatnonzero(column[1:] != column[:-1]) + 1)


def _first_extreme(values: NDArray[np.float64], extreme: np.ufunc, starts: Indices, stops: Indices) -> Indices:
    """Return the index of the first point with the extreme value in each column."""
    reached = np.flatnonzero(values == np.repeat(extreme.reduceat(values, starts), stops - starts))
    return reached[np.searchsorted(reached, starts)]


def _ends(chosen: NDArray[np.bool_], starts: Indices, stops: Indices) -> tuple[Indices, Indices]:
    """Return the indices of the first and the last chosen points in each column that contains chosen points."""
    indices = np.flatnonzero(chosen)
    first, after = np.searchsorted(indices, starts), np.searchsorted(indices, stops)
    is_there = after > first
    return indices[first[is_there]], indices[after[is_there] - 1]
