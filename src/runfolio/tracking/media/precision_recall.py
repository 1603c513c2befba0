"""Precision and recall of a binary classifier."""

from __future__ import annotations

from typing import Any

from runfolio.errors import ConfigError
from runfolio.record.content.media import PR_CURVE_ROWS
from runfolio.tracking.pipeline import media_content

_LEAST_COUNT = 1e-7


def precision_recall(labels: Any, predictions: Any, thresholds: int, weights: Any) -> dict[str, list[float]]:
    """Return the counts, precision and recall for evenly spaced thresholds from 0 to 1."""
    import numpy as np

    truth = np.asarray(media_content.as_numbers(labels), dtype=np.float64).ravel()
    scores = np.asarray(media_content.as_numbers(predictions), dtype=np.float64).ravel()
    if truth.shape != scores.shape:
        raise ConfigError(f"{truth.size} labels do not match {scores.size} predictions")
    weight = 1.0 if weights is None else np.asarray(media_content.as_numbers(weights), dtype=np.float64).ravel()
    bins = np.floor(scores * (thresholds - 1)).clip(0, thresholds - 1)

    def at_least(weighted: Any) -> Any:
        counts, _ = np.histogram(bins, bins=thresholds, range=(0, thresholds - 1), weights=weighted)
        return np.cumsum(counts[::-1])[::-1]

    true_positives, false_positives = at_least(truth * weight), at_least((1 - truth) * weight)
    true_negatives, false_negatives = false_positives[0] - false_positives, true_positives[0] - true_positives
    precision = true_positives / np.maximum(_LEAST_COUNT, true_positives + false_positives)
    recall = true_positives / np.maximum(_LEAST_COUNT, true_positives + false_negatives)
    return curves(true_positives, false_positives, true_negatives, false_negatives, precision, recall)


def curves(*values: Any) -> dict[str, list[float]]:
    """Return the six curves of a `pr_curve` in the record, keyed by name."""
    return {
        name: media_content.as_numbers(curve).ravel().tolist()
        for name, curve in zip(PR_CURVE_ROWS, values, strict=True)
    }
