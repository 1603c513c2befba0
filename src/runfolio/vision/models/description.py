"""What a checkpoint says of its classifier, as JSON: all but the weights that is needed to build it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runfolio.errors import DamagedFile
from runfolio.vision.data.transform import ImageTransform
from runfolio.vision.models import ModelSpec

if TYPE_CHECKING:
    from runfolio.record.checkpoints.manifests import Checkpoint

LOADER = "vision"
"""The name under which `runfolio.loaders` finds what reads these checkpoints."""


@dataclass(frozen=True, kw_only=True)
class ClassifierDescription:
    """A classifier without its weights."""

    spec: ModelSpec
    transform: ImageTransform
    classes: tuple[str, ...]
    data: str
    """Name of the data it was trained on."""
    test_data: str | None = None
    """Name of the data its test images come from; None: the same."""

    def as_meta(self) -> dict[str, Any]:
        return {
            "model": self.spec.as_meta(),
            "transform": self.transform.as_meta(),
            "classes": list(self.classes),
            "data": self.data,
            "test_data": self.test_data,
        }


def checkpoint_label(checkpoint: Checkpoint) -> str:
    """What errors call it."""
    return f"checkpoint {checkpoint.name!r} of {checkpoint.folder}"


def describe(checkpoint: Checkpoint) -> ClassifierDescription:
    """What the checkpoint's meta says.

    Raises:
        DamagedFile: It describes no classifier.
    """
    label, meta = checkpoint_label(checkpoint), checkpoint.meta
    try:
        description = ClassifierDescription(
            spec=ModelSpec.from_meta(meta["model"]),
            transform=ImageTransform.from_meta(meta["transform"]),
            classes=tuple(str(name) for name in meta["classes"]),
            data=str(meta["data"]),
            test_data=meta.get("test_data"),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"{label} does not describe a classifier ({type(error).__name__}: {error})") from None
    if len(description.classes) != description.spec.classes:
        raise DamagedFile(f"{label} names {len(description.classes)} classes for a model of {description.spec.classes}")
    return description
