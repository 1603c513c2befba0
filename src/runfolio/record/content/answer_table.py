"""Answers of a model for the items of a split: ranked classes for classification, or values for regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import ConfigError

TOP = 5
"""Maximum number of ranked classes that are stored for each item."""
MOST_ITEMS = 10_000_000
LONGEST_TEXT = 1_000
"""Maximum number of characters in an item's name, an item's digest or a class name."""
_BLOCK_SCORES = 1 << 20
"""Maximum number of scores that are ranked at once. This number determines the memory needed for ranking."""
TOLERANCE = 1e-3
"""Maximum rounding error of probabilities that are stored in half precision. The limit applies to each probability and
to the sum of the probabilities of an item."""


@dataclass(frozen=True, kw_only=True)
class AnswerTable:
    """Table with one row per item.

    The table has columns of strings and columns of numbers (`docs/format.md`, Answers).
    """

    names: Sequence[str]
    digests: Sequence[str] | None
    """Digests of the contents of the items, or None if the digests are unknown."""
    classes: Sequence[str] | None
    """Names of the classes, or None for regression."""
    columns: dict[str, NDArray[Any]]
    """Columns of numbers by name, each with one number per item. `column_types` returns their names and types."""


def column_types(classes: Sequence[str] | None) -> dict[str, type[np.generic]]:
    """Return the names and types of the columns of numbers."""
    if classes is None:
        return dict.fromkeys(("truth", "value", "error"), np.float64)
    places = range(1, min(TOP, len(classes)) + 1)
    return {
        "truth": np.int32,
        **{f"class_{place}": np.int32 for place in places},
        **{f"probability_{place}": np.float32 for place in places},
        "loss": np.float32,
    }


def value_columns(truths: NDArray[Any], values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the columns for regression: truth, value, and error (value minus truth)."""
    truths, values = truths.astype(np.float64), values.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        return {"truth": truths, "value": values, "error": values - truths}


def class_columns(truths: NDArray[Any], scores: NDArray[Any], *, probabilities: bool) -> dict[str, NDArray[Any]]:
    """Return the columns for classification: truth, most probable classes with their probabilities, and cross-entropy.

    Classes with equal scores are ordered by class index. If a row contains NaN, its probabilities and its loss are NaN.

    Args:
        truths: Class index of each item, [n].
        scores: Logits or probabilities, [n, classes].
        probabilities: True if the scores are probabilities.
    Raises:
        ConfigError: A probability is not between 0 and 1.
    """
    count, classes = scores.shape
    places = min(TOP, classes)
    ranked = np.empty((places, count), np.int32)
    shares = np.empty((places, count), np.float32)
    losses = np.empty(count, np.float32)
    rank = _rank_probabilities if probabilities else _rank_logits
    size = max(1, _BLOCK_SCORES // classes)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for first in range(0, count, size):
            part = slice(first, first + size)
            ranked[:, part], shares[:, part], losses[part] = rank(scores[part], truths[part], places)
    return {
        "truth": truths.astype(np.int32),
        **{f"class_{place}": column for place, column in enumerate(ranked, 1)},
        **{f"probability_{place}": column for place, column in enumerate(shares, 1)},
        "loss": losses,
    }


def _rank_logits(
    logits: NDArray[Any], truths: NDArray[Any], places: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    rows = np.arange(len(logits))
    shifted = (logits - logits.max(axis=1, keepdims=True)).astype(np.float32, copy=False)
    totals = np.exp(shifted).sum(axis=1, dtype=np.float64)
    losses = np.log(totals) - shifted[rows, truths]
    # A masked class (-inf) must stay above classes that are already ranked.
    np.maximum(shifted, np.finfo(np.float32).min, out=shifted)
    ranked, values = _highest(shifted, places)
    return ranked, np.exp(values) / totals, losses


def _rank_probabilities(
    probabilities: NDArray[Any], truths: NDArray[Any], places: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    if ((probabilities < -TOLERANCE) | (probabilities > 1 + TOLERANCE)).any():
        raise ConfigError("some scores are not between 0 and 1; if they are logits, do not set probabilities=True")
    losses = -np.log(probabilities[np.arange(len(probabilities)), truths].clip(0, 1))
    ranked, values = _highest(probabilities.astype(np.float32), places)
    return ranked, values, losses


def _highest(scores: NDArray[np.float32], places: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the indices and values of the highest scores of each row, as arrays of shape [places, n].

    The function changes `scores`. A few passes of `argmax` are several times faster than sorting or `argpartition`.
    """
    rows = np.arange(len(scores))
    indices = np.empty((places, len(scores)), np.int32)
    values = np.empty((places, len(scores)), np.float32)
    for place in range(places):
        indices[place] = scores.argmax(axis=1)
        values[place] = scores[rows, indices[place]]
        scores[rows, indices[place]] = -np.inf
    return indices, values
