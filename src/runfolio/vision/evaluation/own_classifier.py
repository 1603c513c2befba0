"""Classifiers of a training script: its network, and the classes and transform that its checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import nn

from runfolio.errors import ConfigError, DamagedFile
from runfolio.record.checkpoints.image_transforms import STEPS
from runfolio.vision._torchvision import transforms, v2
from runfolio.vision.data.pictures import to_channels
from runfolio.vision.evaluation.predict import LoadedClassifier
from runfolio.vision.models.description import checkpoint_label

if TYPE_CHECKING:
    from runfolio.record.checkpoints.manifests import Checkpoint


@dataclass(frozen=True)
class StoredTransform:
    """A transform of torchvision that a script gave to `run.checkpoint`."""

    steps: v2.Compose
    channels: int
    """Channels that a picture is converted to before the first step."""
    at_least: None = None
    value_range: None = None

    @classmethod
    def from_meta(cls, steps: Sequence[Mapping[str, Any]], model: nn.Module) -> StoredTransform:
        """Build the transform from `plain_steps`.

        Raises:
            KeyError, TypeError, ValueError: They are not what `plain_steps` gives.
        """
        return cls(v2.Compose([_step(**step) for step in steps]), _channels(steps, model))

    def __call__(self, picture: Image.Image) -> torch.Tensor:
        return self.steps(to_channels(picture, self.channels)).as_subclass(torch.Tensor)


def own_classifier(checkpoint: Checkpoint, model: nn.Module) -> LoadedClassifier:
    """Return the classifier of a script's checkpoint.

    Args:
        model: The script's network with the checkpoint's tensors.

    Raises:
        ConfigError: The script gave no classes or no transform to `run.checkpoint`.
        DamagedFile: They cannot be read.
    """
    label = checkpoint_label(checkpoint)
    stored = checkpoint.meta.get("classifier") or {}
    if missing := [name for name in ("classes", "transform") if stored.get(name) is None]:
        raise ConfigError(
            f"{label} holds no {' and no '.join(missing)}; save them with"
            " `run.checkpoint(model=model, classes=[...], transform=transform)`"
        )
    try:
        classes = tuple(str(name) for name in stored["classes"])
        transform = StoredTransform.from_meta(stored["transform"], model)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"{label} describes no classifier ({type(error).__name__}: {error})") from None
    return LoadedClassifier(model.eval(), classes, transform, None)


def _step(*, name: str, **arguments: Any) -> Any:
    plain_name = name.removeprefix("v2.")
    if plain_name not in STEPS or arguments.keys() != set(STEPS[plain_name]):
        raise ValueError(f"no transform {name!r} with {', '.join(arguments) or 'no arguments'}")
    if "dtype" in arguments:
        arguments["dtype"] = _dtype(arguments["dtype"])
    if "interpolation" in arguments:
        arguments["interpolation"] = v2.InterpolationMode(arguments["interpolation"])
    # The v2 variant of ToTensor is the older one with a warning.
    package = v2 if name.startswith("v2.") and plain_name != "ToTensor" else transforms
    return getattr(package, plain_name)(**arguments)


def _dtype(name: str) -> torch.dtype:
    dtype = vars(torch).get(name)  # `getattr` would import some modules of torch by their names
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"no dtype {name!r}")
    return dtype


def _channels(steps: Sequence[Mapping[str, Any]], model: nn.Module) -> int:
    """Return 1 for a network of grey images, else 3: by what normalises, else by the first convolution."""
    if any(step["name"].endswith(("Grayscale", "RGB")) for step in steps):
        return 3
    means = [len(step["mean"]) for step in steps if "mean" in step]
    first = next((weight for weight in model.parameters() if weight.ndim == 4), None)
    known = [*means, *([] if first is None else [first.shape[1]])]
    return 1 if known[:1] == [1] else 3
