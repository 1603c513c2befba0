"""Exponential smoothing of curves, with the same results as in TensorBoard."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from runfolio.query.selection.metric_names import split_of
from runfolio.record.points.metric_summary import MetricSummary, is_system_metric

_NEGLIGIBLE = 1e-17
"""Weight so small that adding it to 1.0 in float64 gives 1.0."""


def metric_weight(weight: float, summaries: Mapping[str, MetricSummary], metric: str) -> float:
    """Return the smoothing weight of one metric of a run.

    Training metrics have the given weight, as in TensorBoard. If a validation or test metric has one point for k points
    of the most frequent metric, its weight is `weight**k`. Its curve is then averaged over the same number of steps as
    the training curves. The time-weighted average of Weights & Biases also depends on the distance between points.

    Args:
        weight: Weight of the previous average, from 0 to below 1.
        summaries: Summaries of all metrics of the run.
        metric: One of these metrics.
    """
    if weight == 0 or split_of(metric) not in ("validation", "test"):
        return weight
    own = max(1, summaries[metric].count)
    most = max(summary.count for name, summary in summaries.items() if name == metric or not is_system_metric(name))
    return max(_NEGLIGIBLE, weight ** max(1.0, most / own))


def exponential_smoothing(values: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Return the debiased exponential moving average. Values that are not finite are returned unchanged and are not
    averaged.

    Args:
        values: Values to smooth, shape [n].
        weight: Weight of the previous average, from 0 (no smoothing) to below 1.

    Source: TensorBoard, `resmoothDataset` in tensorboard/components/vz_line_chart2/line-chart.ts.
    """
    finite = np.isfinite(values)
    inputs = values[finite]
    if not len(inputs) or weight == 0:
        return values.copy()

    averages = _moving_average(inputs, weight)
    # The average starts at 0. After k values, this 0 still has the weight weight**k. The division removes this bias.
    biased = averages[: math.ceil(math.log(_NEGLIGIBLE) / math.log(weight))]
    biased /= 1 - weight ** np.arange(1, len(biased) + 1)
    result = values.copy()
    result[finite] = averages
    return result


def _moving_average(values: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Return `weight * previous average + (1 - weight) * value` for each value, starting from the average 0.

    The values are divided into blocks of equal length. Each step computes one value in every block.
    """
    length = math.isqrt(len(values)) + 1
    blocks = -(-len(values) // length)
    padded = np.zeros(blocks * length)
    padded[: len(values)] = values
    averages = np.ascontiguousarray((1 - weight) * padded.reshape(blocks, length).T)
    for step in range(1, length):
        averages[step] += weight * averages[step - 1]
    weights = weight ** np.arange(1, length + 1)
    lasts = accumulate(averages[-1].tolist(), lambda before, own: own + weights[-1] * before, initial=0.0)
    averages += weights[:, None] * np.fromiter(lasts, np.float64, blocks)  # the average before each block
    return averages.T.ravel()[: len(values)]
