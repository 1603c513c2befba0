"""Classifiers of user scripts. The script provides the network, and the checkpoint provides the classes and the
transform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import nn

from runfolio.errors import ConfigError, DamagedFile
from runfolio.record.checkpoints.bounded_values import WrongValue
from runfolio.record.checkpoints.image_transforms import TransformStep, check_classifier
from runfolio.vision._torchvision import transforms, v2
from runfolio.vision.data.pictures import check_resize, to_channels
from runfolio.vision.evaluation.predict import LoadedClassifier
from runfolio.vision.models.description import checkpoint_label

if TYPE_CHECKING:
    from runfolio.record.checkpoints.manifests import Checkpoint

_TRIAL_SIZE = (64, 64)


@dataclass(frozen=True)
class StoredTransform:
    """Torchvision transform that a script passed to `run.checkpoint`."""

    steps: v2.Compose
    channels: int
    """Number of channels of the converted picture before the first step."""
    shorter_side: int | None
    """Maximum length, in pixels, to which a step resizes the shorter side, or None if no step keeps the aspect
    ratio."""
    at_least: None = None
    value_range: None = None

    @classmethod
    def of(cls, steps: Sequence[TransformStep], model: nn.Module) -> StoredTransform:
        """Build the transform. If the steps do not determine the number of channels, `model` does."""
        sides = [side for step in steps if step.name == "Resize" if (side := _shorter_side(step.arguments["size"]))]
        return cls(v2.Compose([_build(step) for step in steps]), _channels(steps, model), max(sides, default=None))

    def __call__(self, picture: Image.Image) -> torch.Tensor:
        if self.shorter_side is not None:
            check_resize(picture.size, self.shorter_side)
        return self.steps(to_channels(picture, self.channels)).as_subclass(torch.Tensor)


def own_classifier(checkpoint: Checkpoint, model: nn.Module) -> LoadedClassifier:
    """Return the classifier of a script's checkpoint.

    Args:
        checkpoint: Checkpoint with classes and transform.
        model: Network of the script, which already contains the tensors of the checkpoint.

    Raises:
        ConfigError: The script did not pass classes or a transform to `run.checkpoint`.
        DamagedFile: A value has the wrong type or is out of bounds, or the steps of the transform do not fit together.
    """
    label = checkpoint_label(checkpoint)
    stored = checkpoint.meta.get("classifier") or {}
    if type(stored) is not dict:
        raise DamagedFile(f"{label} does not describe a classifier: classifier is a {type(stored).__name__}")
    if missing := [name for name in ("classes", "transform") if stored.get(name) is None]:
        raise ConfigError(
            f"{label} has no {' and no '.join(missing)}; save them with"
            " `run.checkpoint(model=model, classes=[...], transform=transform)`"
        )
    try:
        description = check_classifier(stored)
    except WrongValue as error:
        raise DamagedFile(f"{label} does not describe a classifier: {error}") from None
    try:
        transform = StoredTransform.of(description.transform, model)
        transform(Image.new("RGB", _TRIAL_SIZE))
    except Exception as error:  # torchvision raises errors of many types for steps that do not fit together
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DamagedFile(f"{label} describes a transform that cannot be used: {reason}") from None
    return LoadedClassifier(model.eval(), description.classes, transform, None)


def _build(step: TransformStep) -> Any:
    arguments = dict(step.arguments)
    if "dtype" in arguments:
        arguments["dtype"] = getattr(torch, arguments["dtype"])
    if "interpolation" in arguments:
        arguments["interpolation"] = v2.InterpolationMode(arguments["interpolation"])
    # ToTensor of v2 does the same as the older class, but also warns.
    package = v2 if step.is_v2 and step.name != "ToTensor" else transforms
    return getattr(package, step.name)(**arguments)


def _shorter_side(size: int | tuple[int, ...] | None) -> int | None:
    return size[0] if isinstance(size, tuple) and len(size) == 1 else size if isinstance(size, int) else None


def _channels(steps: Sequence[TransformStep], model: nn.Module) -> int:
    """Return 1 if the normalisation or the first convolution shows that the network takes grey images. Otherwise,
    return 3."""
    if any(step.name in ("Grayscale", "RGB") for step in steps):
        return 3
    means = [len(step.arguments["mean"]) for step in steps if step.name == "Normalize"]
    first = next((weight for weight in model.parameters() if weight.ndim == 4), None)
    channels = [*means, *([] if first is None else [first.shape[1]])]
    return 1 if channels[:1] == [1] else 3
