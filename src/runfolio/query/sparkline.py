"""Small curves for notebooks, as SVG without scripts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from runfolio.query.thinning import thinned_indices

WIDTH, _HEIGHT = 240, 48
"""Width and height of the curve in pixels."""
_COLOUR = "#0072b2"


def sparkline(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Return a curve as an SVG element, or an empty string if the curve has no finite value.

    Args:
        x: Positions, ascending and finite, shape [n].
        y: Values, shape [n]. Values that are not finite appear as gaps.
    """
    finite = np.isfinite(y)
    if not finite.any():
        return ""
    y = np.where(finite, y, np.nan)
    indices = thinned_indices(x, y, WIDTH)
    columns, rows = _scaled(x[indices], WIDTH), _HEIGHT - _scaled(y[indices], _HEIGHT)
    points = zip(columns.tolist(), rows.tolist(), finite[indices].tolist(), strict=True)
    path, pen_is_down = [], False
    for column, row, is_finite in points:
        if is_finite:
            # A line to the current position draws a dot. It makes a point between two gaps visible.
            path.append(f"{'L' if pen_is_down else 'M'}{column:.1f} {row:.1f}" + ("" if pen_is_down else "h0"))
        pen_is_down = is_finite
    return (
        f'<svg width="{WIDTH + 4}" height="{_HEIGHT + 4}" viewBox="-2 -2 {WIDTH + 4} {_HEIGHT + 4}" role="img">'
        f'<path d="{"".join(path)}" fill="none" stroke="{_COLOUR}" stroke-width="1.5" stroke-linecap="round"/></svg>'
    )


def _scaled(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Scale values to the range from 0 to `size`. If all values are equal, return the middle of the range."""
    low, high = np.nanmin(values), np.nanmax(values)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (values - low) / (high - low) * size if high > low else np.where(np.isnan(values), np.nan, size / 2)
    return np.nan_to_num(scaled, nan=size / 2)
