"""Checks of the answers that users log with `Run.log_answers`. The answers are copied during the call, and ranked later
on a different thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runfolio.errors import ConfigError
from runfolio.record.base.files import plain_json
from runfolio.record.base.layout import slug
from runfolio.record.checkpoints.image_transforms import class_names
from runfolio.tracking.pipeline.media_content import as_numbers
from runfolio.tracking.pipeline.plain_texts import is_tensor, shorten, text_of

if TYPE_CHECKING:
    from runfolio.record.content.answer_table import AnswerTable

_CHECKED_ROWS = 1_000
"""Maximum number of rows that are checked to determine whether scores are probabilities."""


def split_name(split: Any) -> str:
    """Return the name of a split, which becomes a part of a file name.

    Raises:
        ConfigError: The name has characters other than letters, digits, `.`, `_` and `-`, or is too long.
    """
    name = text_of(split, "the split")
    if name != slug(name):
        raise ConfigError(f"split {shorten(name)} may have only letters, digits, '.', '_' and '-'; use {slug(name)!r}")
    return name


def answers_of(
    names: Any, truths: Any, scores: Any, *, probabilities: bool, classes: Any, digests: Any
) -> Callable[[], AnswerTable]:
    """Check and copy answers, and return a function that computes the table of these answers (see `Run.log_answers`).

    Raises:
        ConfigError: The shapes or values of the arguments do not match, or an argument is not an array of numbers.
    """
    import numpy as np

    from runfolio.record.content.answer_table import MOST_ITEMS, AnswerTable, class_columns, value_columns

    scores, truths = _real(scores, "scores"), _real(truths, "truths")
    if scores.ndim == 2 and scores.shape[1] == 1:
        scores = scores[:, 0]
    if scores.ndim not in (1, 2):
        raise ConfigError(f"scores have the shape {scores.shape}; pass [items, classes], or one value per item")
    count = len(scores)
    if truths.shape not in ((count,), (count, 1)):
        raise ConfigError(
            f"truths have the shape {truths.shape}; pass one value for each of the {count:,} rows of scores"
        )
    if not 0 < count <= MOST_ITEMS:
        raise ConfigError(f"there are {count:,} items; pass 1 to {MOST_ITEMS:,}")
    names = [str(index) for index in range(count)] if names is None else _texts(names, "names", count)
    if not callable(digests):
        given = None if digests is None else _texts(digests, "digests", count)
        digests = lambda: given  # noqa: E731 - replaces the argument
    truths = truths.reshape(count)
    if scores.ndim == 1:
        if classes is not None or probabilities:
            raise ConfigError("one score per item means regression; for classification, pass a score for each class")
        columns = value_columns(truths, scores)  # the result is a copy
        return lambda: AnswerTable(
            names=plain_json(names), digests=_digests(digests(), count), classes=None, columns=columns
        )
    labels = _class_labels(classes, scores.shape[1])
    if truths.dtype.kind not in "bui" or truths.min() < 0 or truths.max() >= len(labels):
        raise ConfigError(f"truths must be indices of the {len(labels):,} classes of scores: integers from 0")
    if not probabilities and _are_probabilities(scores[:_CHECKED_ROWS]):
        raise ConfigError("the scores in each row add up to 1, like probabilities; pass probabilities=True")
    truths = truths.astype(np.int64)
    scores = np.array(scores, dtype=scores.dtype if scores.dtype.kind == "f" else np.float64)
    return lambda: AnswerTable(
        names=plain_json(names),
        digests=_digests(digests(), count),
        classes=plain_json(labels),
        columns=class_columns(truths, scores, probabilities=bool(probabilities)),
    )


def _real(values: Any, what: str) -> Any:
    """Return numbers as an array of any shape. A list of tensors or arrays, such as batches, is not accepted."""
    try:
        numbers = as_numbers(values)
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}; pass one array or tensor, such as torch.cat(batches)") from None
    if numbers.dtype.kind == "c":
        raise ConfigError(f"{what} are complex; pass real numbers")
    return numbers


def _are_probabilities(scores: Any) -> bool:
    from runfolio.record.content.answer_table import TOLERANCE

    return bool(scores.min() >= 0 and (abs(scores.sum(axis=1, dtype=float) - 1) < TOLERANCE).all())


def _class_labels(classes: Any, count: int) -> list[str]:
    labels = [str(index) for index in range(count)] if classes is None else class_names(classes)
    if len(labels) != count:
        raise ConfigError(f"there are {len(labels):,} class names, but each row has {count:,} scores")
    return _short(labels, "classes")


def _digests(digests: Any, count: int) -> list[str] | None:
    return None if digests is None else plain_json(_texts(digests, "digests", count))


def _texts(values: Any, what: str, count: int) -> list[str]:
    """Return a list of strings, one per item."""
    if is_tensor(values) or hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, (Sequence, range)):
        raise ConfigError(f"{what} must be a list of strings, one per item, not {type(values).__name__}")
    if len(values) != count:
        raise ConfigError(f"there are {len(values):,} {what} for {count:,} rows of scores")
    return _short([text if type(text) is str else text_of(text, f"an entry of {what}") for text in values], what)


def _short(texts: list[str], what: str) -> list[str]:
    from runfolio.record.content.answer_table import LONGEST_TEXT

    if max(map(len, texts), default=0) > LONGEST_TEXT:
        raise ConfigError(f"an entry of {what} has more than {LONGEST_TEXT:,} characters")
    return texts
