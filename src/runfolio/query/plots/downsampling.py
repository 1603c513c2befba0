"""Downsampling of long curves without visible loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def downsampled_indices(values: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Return the indices of about `most` values to draw, in ascending order.

    The curve is divided into slices. The indices include the lowest value, the highest value and the first gap (NaN) of
    each slice, so that no spike is lost. They also include the first and the last value of the curve.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    length = -(-count // (most // 3))
    slices = np.pad(values, (0, -count % length), constant_values=np.nan).reshape(-1, length)
    starts = np.arange(len(slices)) * length
    gaps = np.isnan(slices)
    gaps.flat[count:] = False
    lowest = np.where(np.isnan(slices), np.inf, slices).argmin(axis=1) + starts
    highest = np.where(np.isnan(slices), -np.inf, slices).argmax(axis=1) + starts
    first_gap = (gaps.argmax(axis=1) + starts)[gaps.any(axis=1)]
    indices = np.unique(np.concatenate([[0, count - 1], lowest, highest, first_gap]))
    return indices[indices < count]
