"""Thinning of curves: selection of the points that are visible on an axis of a given width."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from runfolio.query.thinning import thinned_indices


def drawn_indices(
    x: NDArray[np.float64], y: NDArray[np.float64], columns: int, *, log: bool = False
) -> NDArray[np.intp]:
    """Return the indices of the points to draw. `x`, `y` and `columns` have the same meaning as in `thinned_indices`.

    Args:
        log: True if the x axis is logarithmic. Points at 0 or below are then left out.
    """
    if not log:
        return thinned_indices(x, y, columns)
    shown = np.flatnonzero(x > 0)
    return shown[thinned_indices(np.log10(x[shown]), y[shown], columns)]
