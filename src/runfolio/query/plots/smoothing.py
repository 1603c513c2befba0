"""Exponential smoothing, the way TensorBoard does it."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from numpy.typing import NDArray


def exponential_smoothing(values: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """The debiased exponential moving average of `values` [n]; what is not finite stays, and counts for nothing.

    Args:
        weight: How much of the average before goes into the next, 0 (nothing is smoothed) to below 1.
    Source: TensorBoard, `resmoothDataset` in tensorboard/components/vz_line_chart2/line-chart.ts.
    """
    finite = np.isfinite(values)
    inputs = values[finite]
    if not len(inputs) or weight == 0:
        return values.copy()

    def step(before: float, value: float) -> float:
        return before * weight + (1 - weight) * value

    averages = np.fromiter(accumulate(inputs.tolist(), step, initial=0.0), np.float64, len(inputs) + 1)[1:]
    # The average begins at 0, which weighs weight**k after k values; without that share the first value is itself.
    result = values.copy()
    result[finite] = averages / (1 - weight ** np.arange(1, len(inputs) + 1))
    return result
