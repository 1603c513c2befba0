"""How good a trained classifier is on labelled images: everything worth knowing, from one pass over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch.nn import functional

from runfolio.errors import ConfigError
from runfolio.query.selection.significance import Interval, wilson
from runfolio.vision.batches.loaders import PreparedImages, batch_loader
from runfolio.vision.data import ImageSet, ImageSource
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
    """An image that was taken for something else."""

    index: int
    """Its place in the split."""
    reference: str
    """What people call it, such as `test/sushi/12.jpg`."""
    label: str
    """What was said."""
    probability: float
    """Of what was said."""
    truth: str


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """A classifier's answers to one split of one data set, beside the truth."""

    data: str
    split: Split
    images: int
    classes: tuple[str, ...]
    """In the order of the model's outputs; rows and columns below follow it."""
    accuracy: float
    interval: Interval
    """The 95 % interval of `accuracy` for that many images (Wilson)."""
    loss: float
    """Mean cross-entropy an image; NaN or infinite where the model's answers are."""
    top_k: dict[int, float]
    """Share of the images whose true class is among the k most probable, for k from 1 to 5 or all classes."""
    per_class: list[ClassMetrics]
    confusion: list[list[int]]
    """[true class][predicted class] counts."""
    calibration: Calibration
    mistakes: list[Mistake]
    """All of them, the most confident first."""

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, ready for JSON."""
        return asdict(self) | {
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
    """Ask the classifier about every image of a split, in batches on the device its model is on.

    Args:
        source: Its classes are the model's, in any order.
        progress: Gets a task that counts images for as long as it takes.
    Raises:
        ConfigError: The data has other classes than the model; the message names them.
        DamagedFile: An image cannot be read.
    """
    output_indices = _output_indices(classifier, source)
    images: ImageSet = source.train if split == "train" else source.test
    labels = torch.from_numpy(output_indices[images.labels])
    logits = _logits(classifier, images, f"{source.name} {split}", progress)
    return _result(logits, labels, images, classes=classifier.classes, data=source.name, split=split)


def to_fastest_device(classifier: LoadedClassifier) -> LoadedClassifier:
    """The classifier with its model moved to a GPU, where there is one, and its weights as convolutions want them."""
    to_channels_last(classifier.model)
    if torch.cuda.is_available():
        classifier.model.to("cuda")
    return classifier


def _output_indices(classifier: LoadedClassifier, source: ImageSource) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Where each class of the source stands among the model's outputs."""
    unknown = [name for name in source.classes if name not in classifier.classes]
    lacking = [name for name in classifier.classes if name not in source.classes]
    if unknown or lacking:
        faults = [
            f"{fault} {_named(names)}"
            for fault, names in (("the model does not know", unknown), ("the data lacks", lacking))
            if names
        ]
        trained = "" if classifier.data is None else f", trained on {classifier.data}"
        raise ConfigError(
            f"cannot evaluate on {source.name}: its classes are not those of the model{trained}: {'; '.join(faults)}"
        )
    return np.array([classifier.classes.index(name) for name in source.classes], dtype=np.int64)


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


@torch.inference_mode()
def _logits(classifier: LoadedClassifier, images: ImageSet, label: str, progress: Progress | None) -> torch.Tensor:
    """[n, classes] float64 on the CPU, in the order of the images."""
    device = next(classifier.model.parameters()).device
    batches = _counted(_inputs(classifier, images, device), len(images), label, progress)
    return torch.cat([classifier.model(batch).double().cpu() for batch in batches])


def _inputs(classifier: LoadedClassifier, images: ImageSet, device: torch.device) -> Iterator[torch.Tensor]:
    """Yield all images as the network takes them, in batches."""
    transform = classifier.transform
    if isinstance(transform, ImageTransform):
        prepared, inputs = PreparedImages(images, np.arange(len(images)), transform), Inputs(transform)
        for pixels, _ in batch_loader(prepared, batch_size=BATCH_SIZE, workers=0, seed=0):
            yield inputs(pixels.to(device))
        return
    for first in range(0, len(images), BATCH_SIZE):
        batch = [transform(images.image(index)) for index in range(first, min(first + BATCH_SIZE, len(images)))]
        are_alike = len({tensor.shape for tensor in batch}) == 1
        yield from (tensors.to(device) for tensors in ([torch.stack(batch)] if are_alike else [t[None] for t in batch]))


def _counted(
    batches: Iterable[torch.Tensor], images: int, label: str, progress: Progress | None
) -> Iterable[torch.Tensor]:
    """The batches; the images of each are counted once it was used."""
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
    # A stable order puts the first of equals first, as argmax does, so that top-1 is the accuracy of the training.
    ranked = logits.argsort(dim=1, descending=True, stable=True)
    hit_at = (ranked == labels[:, None]).int().argmax(dim=1)
    predicted, right = ranked[:, 0], hit_at == 0
    probability = logits.softmax(dim=1).gather(1, predicted[:, None])[:, 0]
    accuracy = float(right.double().mean())
    return EvaluationResult(
        data=data,
        split=split,
        images=len(labels),
        classes=classes,
        accuracy=accuracy,
        interval=wilson(accuracy, len(labels)),
        loss=float(functional.cross_entropy(logits, labels)),
        top_k={k: float((hit_at < k).double().mean()) for k in range(1, min(_MAX_TOP_K, len(classes)) + 1)},
        per_class=class_report.class_metrics(predicted, labels, classes),
        confusion=class_report.confusion_matrix(predicted, labels, len(classes)).tolist(),
        calibration=calibration(probability, right),
        mistakes=[
            Mistake(
                index=index,
                reference=images.reference(index),
                label=classes[int(predicted[index])],
                probability=float(probability[index]),
                truth=classes[int(labels[index])],
            )
            for index in probability.argsort(descending=True, stable=True).tolist()
            if not right[index]
        ],
    )
