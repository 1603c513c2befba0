"""Confusion matrix, and metrics of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_LABELLED_CLASSES = 120
_MAX_CLASSES_WITH_COUNTS = 20
"""Maximum number of classes for which the cells of a confusion matrix contain counts as text."""
_LETTER_INCHES = 0.09


class ClassMetrics(NamedTuple):
    """Metrics of one class. Undefined ratios are 0."""

    name: str
    images: int
    precision: float
    recall: float
    f1: float


def confusion_matrix(predicted: torch.Tensor, labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Count images by [true class, predicted class]. `predicted` and `labels` are class indices, [n]."""
    return torch.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def class_metrics(predicted: torch.Tensor, labels: torch.Tensor, classes: Sequence[str]) -> list[ClassMetrics]:
    """Return the metrics of each class, in the order of `classes`."""
    matrix = confusion_matrix(predicted, labels, len(classes))
    correct, images, predictions = matrix.diagonal(), matrix.sum(dim=1), matrix.sum(dim=0)
    shares = (correct / predictions, correct / images, 2 * correct / (images + predictions))
    columns = (images, *(share.nan_to_num(0.0) for share in shares))
    return [ClassMetrics(*row) for row in zip(classes, *(column.tolist() for column in columns), strict=True)]


def class_table(rows: Sequence[ClassMetrics]) -> str:
    """Return the metrics as a plain-text table."""
    width = max(len("class"), *(len(row.name) for row in rows))
    lines = [f"{'class'.ljust(width)}  images  precision  recall     f1"]
    lines += [
        f"{row.name.ljust(width)}  {row.images:6,}  {row.precision:9.3f}  {row.recall:6.3f}  {row.f1:5.3f}"
        for row in rows
    ]
    return "\n".join(lines)


def confusion_figure(matrix: torch.Tensor, classes: Sequence[str], title: str) -> Figure:
    """Draw counts by [true class, predicted class]. The colour shows the fraction of the images of the true class."""
    from matplotlib.figure import Figure

    counts = matrix.numpy()
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    side = min(max(4.0, 0.42 * len(classes) + 1.5), 14.0)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
    axes.set(title=title, xlabel="predicted", ylabel="true")
    if len(classes) <= _MAX_LABELLED_CLASSES:
        max_letters = side * 0.7 / len(classes) / _LETTER_INCHES
        rotation = 90 if max(len(name) for name in classes) > max_letters else 0
        size = min(10.0, 40 * side / len(classes))
        axes.set_xticks(range(len(classes)), classes, rotation=rotation, fontsize=size)
        axes.set_yticks(range(len(classes)), classes, fontsize=size)
    if len(classes) <= _MAX_CLASSES_WITH_COUNTS:
        for (row, column), count in _nonzero(counts):
            colour = "white" if shares[row, column] > 0.6 else "black"
            axes.text(column, row, f"{count}", ha="center", va="center", color=colour, fontsize=8)
    return figure


def _nonzero(counts):
    import numpy as np

    return (((row, column), counts[row, column]) for row, column in np.argwhere(counts))
