"""Calibration of a classifier: its probabilities compared with its accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 15
_MATCHING, _UNDERCONFIDENT, _OVERCONFIDENT, _INK = "#2f6fab", "#a9d3a4", "#f2a3a3", "#3d4451"
_BAR: dict[str, Any] = {"align": "edge", "edgecolor": "white", "linewidth": 0.8}


class CalibrationBin(NamedTuple):
    """Bin for the images whose probability is above `low` and at most `high`."""

    low: float
    high: float
    images: int
    confidence: float | None
    """Mean probability of the predicted classes, or None if the bin is empty."""
    accuracy: float | None
    """Fraction of correct predictions, or None if the bin is empty."""


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error and its bins."""

    error: float
    """Expected calibration error: mean of |confidence - accuracy| over the images."""
    bins: list[CalibrationBin]


def calibration(probabilities: torch.Tensor, correct: torch.Tensor, bins: int = BINS) -> Calibration:
    """Compare probabilities with accuracies in bins of equal width.

    Args:
        probabilities: Probability of the predicted class of each image, [n]. If any probability is NaN, the calibration
            error is NaN.
        correct: True for each correct prediction, [n] bool.
        bins: Number of bins.

    Source: Guo, Pleiss, Sun and Weinberger, On calibration of modern neural networks, ICML 2017, arXiv:1706.04599
    """
    probabilities, correct = probabilities.double(), correct.double()
    bounds = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    bin_index = torch.bucketize(probabilities, bounds[1:-1])  # a value on a boundary belongs to the lower bin
    counts = torch.bincount(bin_index, minlength=bins)
    confidence_sums, correct_counts = (
        torch.zeros(bins, dtype=torch.float64).index_add_(0, bin_index, values) for values in (probabilities, correct)
    )
    error = float((confidence_sums - correct_counts).abs().sum() / len(correct))
    rows = zip(
        bounds[:-1].tolist(),
        bounds[1:].tolist(),
        counts.tolist(),
        confidence_sums.tolist(),
        correct_counts.tolist(),
        strict=True,
    )
    return Calibration(
        error,
        [
            CalibrationBin(low, high, images, total / images if images else None, hits / images if images else None)
            for low, high, images, total, hits in rows
        ],
    )


def reliability_figure(measured: Calibration, title: str) -> Figure:
    """Draw a reliability diagram above a chart of the number of images in each bin."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 6.4), layout="constrained", facecolor="white")
    figure.suptitle(title, fontsize=12, color=_INK)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw_shares(above, [row for row in measured.bins if row.images])
    below.bar(*_bars(measured.bins, [row.images for row in measured.bins]), color=_MATCHING, **_BAR)
    below.set(xlabel="predicted probability", ylabel="images")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_shares(axes: Axes, bins: Sequence[CalibrationBin]) -> None:
    accuracies = [row.accuracy or 0.0 for row in bins]
    confidences = [row.confidence or 0.0 for row in bins]
    matching = [min(pair) for pair in zip(accuracies, confidences, strict=True)]
    axes.bar(*_bars(bins, matching), color=_MATCHING, label="matching", **_BAR)
    for label, colour, longer in (
        ("underconfident", _UNDERCONFIDENT, accuracies),
        ("overconfident", _OVERCONFIDENT, confidences),
    ):
        gaps = [above - below for above, below in zip(longer, matching, strict=True)]
        axes.bar(*_bars(bins, gaps), bottom=matching, color=colour, hatch="///", label=label, **_BAR)
    axes.plot([0, 1], [0, 1], color=_INK, linestyle="--", linewidth=1, label="perfect calibration")
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=9)


def _bars(bins: Sequence[CalibrationBin], heights: Sequence[float]) -> tuple[list[float], Sequence[float], list[float]]:
    return [row.low for row in bins], heights, [row.high - row.low for row in bins]
