"""Exponential smoothing, which gives the same result as in TensorBoard."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from numpy.typing import NDArray


def exponential_smoothing(values: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Return the debiased exponential moving average. Values that are not finite are kept, but not averaged.

    Args:
        values: Values to smooth, shape [n].
        weight: Weight of the previous average, from 0 (no smoothing) to below 1.

    Source: TensorBoard, `resmoothDataset` in tensorboard/components/vz_line_chart2/line-chart.ts.
    """
    finite = np.isfinite(values)
    inputs = values[finite]
    if not len(inputs) or weight == 0:
        return values.copy()

    def step(average: float, value: float) -> float:
        return average * weight + (1 - weight) * value

    averages = np.fromiter(accumulate(inputs.tolist(), step, initial=0.0), np.float64, len(inputs) + 1)[1:]
    # The average starts at 0. After k values, this 0 still has the weight weight**k. The division removes this bias.
    result = values.copy()
    result[finite] = averages / (1 - weight ** np.arange(1, len(inputs) + 1))
    return result
