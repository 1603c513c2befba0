"""Long curves with as many points as a picture can show, and nothing seen lost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def downsampled_indices(values: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Ascending places of the values [n] worth drawing: about `most` of them.

    Of each slice the lowest and the highest, so that no spike is lost, and the first of its gaps (NaN); of the whole
    the first and the last.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    length = -(-count // (most // 3))
    slices = np.pad(values, (0, -count % length), constant_values=np.nan).reshape(-1, length)
    begins = np.arange(len(slices)) * length
    gaps = np.isnan(slices)
    gaps.flat[count:] = False
    lowest = np.where(np.isnan(slices), np.inf, slices).argmin(axis=1) + begins
    highest = np.where(np.isnan(slices), -np.inf, slices).argmax(axis=1) + begins
    first_gap = (gaps.argmax(axis=1) + begins)[gaps.any(axis=1)]
    indices = np.unique(np.concatenate([[0, count - 1], lowest, highest, first_gap]))
    return indices[indices < count]
