"""Thinning of curves to the width of the axis that they are drawn on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from runfolio.query.thinning import thinned_indices


def drawn_indices(
    x: NDArray[np.float64], y: NDArray[np.float64], columns: int, *, log: bool = False
) -> NDArray[np.intp]:
    """Return the indices of the points to draw; arguments as in `thinned_indices`.

    Args:
        log: The x axis is logarithmic, so that points at 0 or below are not on it.
    """
    if not log:
        return thinned_indices(x, y, columns)
    shown = np.flatnonzero(x > 0)
    return shown[thinned_indices(np.log10(x[shown]), y[shown], columns)]
