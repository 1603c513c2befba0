"""Evaluation of a trained classifier in one pass over labelled images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch.nn import functional

from runfolio.errors import ConfigError
from runfolio.query.selection.significance import Interval, wilson
from runfolio.record.content.answer_table import AnswerTable, class_columns
from runfolio.vision.batches.loaders import PreparedImages, batch_loader
from runfolio.vision.data import ImageSet, ImageSource, listing
from runfolio.vision.data.transform import ImageTransform
from runfolio.vision.evaluation import class_report
from runfolio.vision.evaluation.calibration import Calibration, calibration
from runfolio.vision.evaluation.class_report import ClassMetrics
from runfolio.vision.evaluation.predict import LoadedClassifier
from runfolio.vision.loop.inputs import Inputs
from runfolio.vision.models.memory_layout import to_channels_last

if TYPE_CHECKING:
    from rich.progress import Progress

Split = Literal["train", "test"]
BATCH_SIZE = 64
_MAX_TOP_K = 5
_MAX_NAMES = 5


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """Wrong prediction."""

    index: int
    """Index of the image in the split."""
    reference: str
    """Readable name of the image, such as `test/sushi/12.jpg`."""
    label: str
    """Predicted class."""
    probability: float
    """Probability of the predicted class."""
    truth: str
    """True class."""


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """Results of a classifier on one split of one data set."""

    data: str
    split: Split
    images: int
    classes: tuple[str, ...]
    """Classes in the order of the model's outputs. `per_class` and `confusion` have the same order."""
    accuracy: float
    interval: Interval
    """95 % interval of `accuracy` (Wilson)."""
    loss: float
    """Mean cross-entropy per image. It is NaN or infinite if an output of the model is NaN or infinite."""
    top_k: dict[int, float]
    """Fraction of the images whose true class is among the k most probable classes, for k from 1 to at most 5."""
    per_class: list[ClassMetrics]
    confusion: list[list[int]]
    """Counts by [true class][predicted class]."""
    calibration: Calibration
    mistakes: list[Mistake]
    """All wrong predictions, sorted by decreasing confidence."""
    answers: AnswerTable
    """Answer of the classifier (its prediction) for each image, in the order of the split."""

    def as_dict(self) -> dict[str, Any]:
        """Return the results, without `answers`, as values that JSON can represent."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "answers"}
        return values | {
            "mistakes": [asdict(mistake) for mistake in self.mistakes],
            "classes": list(self.classes),
            "interval": list(self.interval),
            "top_k": {str(k): share for k, share in self.top_k.items()},
            "per_class": [row._asdict() for row in self.per_class],
            "calibration": {"error": self.calibration.error, "bins": [b._asdict() for b in self.calibration.bins]},
        }


def evaluate(
    classifier: LoadedClassifier,
    source: ImageSource,
    split: Split = "test",
    *,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Evaluate a classifier on a split, in batches on the device of its model.

    Args:
        classifier: Classifier to evaluate.
        source: Data with the same classes as the model, in any order.
        split: Split to evaluate on.
        progress: Progress display that counts images.

    Raises:
        ConfigError: The classes of the data and of the model differ; the message names the differences.
        DamagedFile: An image cannot be read.
    """
    output_indices = _output_indices(classifier, source)
    images: ImageSet = source.train if split == "train" else source.test
    labels = torch.from_numpy(output_indices[images.labels])
    logits = _logits(classifier, images, f"{source.name} {split}", progress)
    return _result(logits, labels, images, classes=classifier.classes, data=source.name, split=split)


def to_fastest_device(classifier: LoadedClassifier) -> LoadedClassifier:
    """Select the fastest memory layout, and move the model to a GPU if there is one. Return the classifier."""
    to_channels_last(classifier.model)
    if torch.cuda.is_available():
        classifier.model.to("cuda")
    return classifier


def _output_indices(classifier: LoadedClassifier, source: ImageSource) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the index of the model's output for each class of the source."""
    unknown = [name for name in source.classes if name not in classifier.classes]
    missing = [name for name in classifier.classes if name not in source.classes]
    if unknown or missing:
        differences = [
            f"{difference} {_named(names)}"
            for difference, names in (("the model does not have", unknown), ("the data does not have", missing))
            if names
        ]
        trained = "" if classifier.data is None else f", trained on {classifier.data}"
        raise ConfigError(
            f"cannot evaluate on {source.name}: its classes differ from those of the model{trained}:"
            f" {'; '.join(differences)}"
        )
    return np.array([classifier.classes.index(name) for name in source.classes], dtype=np.int64)


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


@torch.inference_mode()
def _logits(classifier: LoadedClassifier, images: ImageSet, label: str, progress: Progress | None) -> torch.Tensor:
    """Return the logits of the images, [n, classes] float64 on the CPU."""
    device = next(classifier.model.parameters()).device
    batches = _with_progress(_inputs(classifier, images, device), len(images), label, progress)
    return torch.cat([classifier.model(batch).double().cpu() for batch in batches])


def _inputs(classifier: LoadedClassifier, images: ImageSet, device: torch.device) -> Iterator[torch.Tensor]:
    """Yield all images as batches of network inputs."""
    transform = classifier.transform
    if isinstance(transform, ImageTransform):
        prepared, inputs = PreparedImages(images, np.arange(len(images)), transform), Inputs(transform)
        for pixels, _ in batch_loader(prepared, batch_size=BATCH_SIZE, workers=0, seed=0):
            yield inputs(pixels.to(device))
        return
    for first in range(0, len(images), BATCH_SIZE):
        batch = [transform(images.image(index)) for index in range(first, min(first + BATCH_SIZE, len(images)))]
        has_one_shape = len({tensor.shape for tensor in batch}) == 1
        batches = [torch.stack(batch)] if has_one_shape else [tensor[None] for tensor in batch]
        yield from (tensors.to(device) for tensors in batches)


def _with_progress(
    batches: Iterable[torch.Tensor], images: int, label: str, progress: Progress | None
) -> Iterable[torch.Tensor]:
    """Yield the batches. The progress display counts the images of a batch after the caller has used the batch."""
    task = progress.add_task(f"evaluating on {label}", total=images) if progress else None
    try:
        for batch in batches:
            yield batch
            if progress and task is not None:
                progress.advance(task, len(batch))
    finally:
        if progress and task is not None:
            progress.remove_task(task)


def _result(
    logits: torch.Tensor, labels: torch.Tensor, images: ImageSet, *, classes: tuple[str, ...], data: str, split: Split
) -> EvaluationResult:
    # A stable sort keeps the order of equal logits, and argmax returns the first of them. Therefore, top-1 equals the
    # accuracy that training computes.
    ranked = logits.argsort(dim=1, descending=True, stable=True)
    true_rank = (ranked == labels[:, None]).int().argmax(dim=1)
    predicted, correct = ranked[:, 0], true_rank == 0
    probability = logits.softmax(dim=1).gather(1, predicted[:, None])[:, 0]
    accuracy = float(correct.double().mean())
    return EvaluationResult(
        data=data,
        split=split,
        images=len(labels),
        classes=classes,
        accuracy=accuracy,
        interval=wilson(accuracy, len(labels)),
        loss=float(functional.cross_entropy(logits, labels)),
        top_k={k: float((true_rank < k).double().mean()) for k in range(1, min(_MAX_TOP_K, len(classes)) + 1)},
        per_class=class_report.class_metrics(predicted, labels, classes),
        confusion=class_report.confusion_matrix(predicted, labels, len(classes)).tolist(),
        calibration=calibration(probability, correct),
        mistakes=[
            Mistake(
                index=index,
                reference=images.reference(index),
                label=classes[int(predicted[index])],
                probability=float(probability[index]),
                truth=classes[int(labels[index])],
            )
            for index in probability.argsort(descending=True, stable=True).tolist()
            if not correct[index]
        ],
        answers=AnswerTable(
            names=listing.names(images, range(len(labels))),
            digests=images.digests(),
            classes=classes,
            columns=class_columns(labels.numpy(), logits.numpy(), probabilities=False),
        ),
    )
