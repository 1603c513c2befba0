"""Recorded answers, which are the predictions of a model for the items of a data split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import NotFound
from runfolio.query.arrow_frame import ArrowFrame
from runfolio.record.content import answer_files

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Answers(ArrowFrame):
    """Answers of a model to the items of a data split. Arrays have one entry or row per item, in logging order."""

    split: str
    attempt: int
    """Attempt of the run that logged the answers."""
    source: str | None
    """Name of the data that `runfolio evaluate` used, or None if the run itself logged the answers."""
    names: Sequence[str]
    """Names of the items. For `runfolio train`, these names are the same as in `RecordedRun.data[split].listing()`."""
    digests: Sequence[str] | None
    """Digest of each item's content, as in the listing, or None if the script did not log digests."""
    classes: Sequence[str] | None
    """Names of the classes, or None for regression."""
    truths: NDArray[Any]
    """True classes as int32 indices into `classes`, or true values (float64) for regression. The shape is [n]."""
    predictions: NDArray[Any]
    """Most probable classes as int32 indices into `classes`, or values (float64) for regression. The shape is [n]."""
    top: NDArray[np.int32] | None
    """Most probable classes, best first, or None for regression. The shape is [n, k], with k at most 5."""
    probabilities: NDArray[np.float32] | None
    """Probabilities of the classes in `top`, shape [n, k], or None for regression."""
    losses: NDArray[np.float32] | None
    """Cross-entropy of each item, shape [n], or None for regression."""
    errors: NDArray[np.float64] | None
    """Predicted value minus true value for regression, shape [n], or None for classification."""

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"<Answers to {len(self):,} items of {self.split!r}, attempt {self.attempt}>"

    @property
    def accuracy(self) -> float | None:
        """Fraction of the items whose most probable class is the true class, or None for regression."""
        return None if self.classes is None else float((self.predictions == self.truths).mean())

    def to_arrow(self) -> pa.Table:
        """Return a table with one row per item. Class names are dictionary-encoded strings.

        The columns are `name`, `digest` (if logged), `truth`, `class_1` to `class_5`, `probability_1` to
        `probability_5`, and `loss`. For regression, the columns are `name`, `digest` (if logged), `truth`, `value` and
        `error`.
        """
        import pyarrow as pa

        from runfolio.record.points.arrow_arrays import from_numpy, texts

        columns = {"name": texts(self.names)} | ({} if self.digests is None else {"digest": texts(self.digests)})
        if self.classes is None or self.top is None or self.probabilities is None:
            numbers = {"truth": self.truths, "value": self.predictions, "error": self.errors}
            return pa.table({**columns, **{name: from_numpy(np.asarray(column)) for name, column in numbers.items()}})
        codes = {"truth": self.truths} | {f"class_{place}": column for place, column in enumerate(self.top.T, 1)}
        names = texts(self.classes)
        columns |= {name: pa.DictionaryArray.from_arrays(from_numpy(code), names) for name, code in codes.items()}
        columns |= {f"probability_{place}": from_numpy(column) for place, column in enumerate(self.probabilities.T, 1)}
        return pa.table({**columns, "loss": from_numpy(np.asarray(self.losses))})


def read_answers(folder: Path, split: str) -> Answers:
    """Read the answers to a split from a run's folder (see `RecordedRun.answers`)."""
    file = answer_files.find_newest(folder, split)
    if file is None:
        splits = sorted({file.split for file in answer_files.list_answers(folder)})
        hint = f"it has answers to {', '.join(splits)}" if splits else "log them with run.log_answers"
        raise NotFound(f"the run in {folder} has no answers to {split!r}; {hint}")
    try:
        header, table = answer_files.read(file.path)
    except FileNotFoundError:
        raise NotFound(f"{file.path} is gone; restore it from a copy of the run") from None
    columns, classes = table.columns, header.classes
    places = [name.removeprefix("class_") for name in columns if name.startswith("class_")]
    has_classes = classes is not None
    return Answers(
        split=split,
        attempt=file.attempt,
        source=header.source,
        names=table.names,
        digests=table.digests,
        classes=classes,
        truths=columns["truth"],
        predictions=columns["class_1" if has_classes else "value"],
        top=np.stack([columns[f"class_{place}"] for place in places], axis=1) if has_classes else None,
        probabilities=np.stack([columns[f"probability_{place}"] for place in places], axis=1) if has_classes else None,
        losses=columns.get("loss"),
        errors=columns.get("error"),
    )
