"""JSON description of a classifier in the metadata of a checkpoint. The classifier can be rebuilt from this description
and the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runfolio.errors import DamagedFile
from runfolio.record.checkpoints.bounded_values import WrongValue, described, optional, sequence, text
from runfolio.vision.data.transform import ImageTransform, check_transform
from runfolio.vision.models import ModelSpec
from runfolio.vision.models.spec import MAX_CLASSES, check_spec

if TYPE_CHECKING:
    from runfolio.record.checkpoints.manifests import Checkpoint


@dataclass(frozen=True, kw_only=True)
class ClassifierDescription:
    """Classifier without its weights."""

    spec: ModelSpec
    transform: ImageTransform
    classes: tuple[str, ...]
    data: str
    """Name of the training data."""
    test_data: str | None = None
    """Name of the data with the test images. If None, `data` provides the test images."""

    def as_meta(self) -> dict[str, Any]:
        return {
            "model": self.spec.as_meta(),
            "transform": self.transform.as_meta(),
            "classes": list(self.classes),
            "data": self.data,
            "test_data": self.test_data,
        }


def checkpoint_label(checkpoint: Checkpoint) -> str:
    """Return the name that error messages use for a checkpoint."""
    return f"checkpoint {checkpoint.name!r} of {checkpoint.folder}"


def describe(checkpoint: Checkpoint) -> ClassifierDescription:
    """Check the metadata of a checkpoint, and return the classifier that they describe.

    Raises:
        DamagedFile: A field is missing, has the wrong type, is out of bounds, or contradicts another field.
    """
    label = checkpoint_label(checkpoint)
    try:
        description = _check_description(checkpoint.meta)
        _check_agreement(description)
    except WrongValue as error:
        raise DamagedFile(f"{label} does not describe a classifier: {error}") from None
    return description


_check_description = described(
    ClassifierDescription,
    {
        "spec": check_spec,
        "transform": check_transform,
        "classes": sequence(text, 1, MAX_CLASSES),
        "data": text,
        "test_data": optional(text),
    },
    keys={"spec": "model"},
)


def _check_agreement(description: ClassifierDescription) -> None:
    """Raise `WrongValue` if the parts of a description contradict each other."""
    spec, transform = description.spec, description.transform
    if len(description.classes) != spec.classes:
        raise WrongValue(f"names {len(description.classes)} classes for a model with {spec.classes}")
    if len(set(description.classes)) != len(description.classes):
        raise WrongValue("names a class twice", "classes")
    for name in ("channels", "height", "width"):
        if getattr(transform, name) != getattr(spec, name):
            raise WrongValue(
                f"is {getattr(transform, name)}, but the model takes {getattr(spec, name)}", f"transform.{name}"
            )
