"""Networks by name, built from a JSON description that checkpoints store with the weights.

`tinyvgg` and `mlp` are part of runfolio. The other models come from torchvision, or from timm as `timm:NAME`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import nn

from runfolio.errors import ConfigError, NotFound, nearest
from runfolio.record.checkpoints.loading import Tensors
from runfolio.vision.data.transform import ImageTransform
from runfolio.vision.models import timm_zoo, torchvision_zoo
from runfolio.vision.models.mlp import MLP
from runfolio.vision.models.spec import ModelSpec
from runfolio.vision.models.tinyvgg import TinyVGG

__all__ = [
    "ModelSpec",
    "build_model",
    "check_model_name",
    "current_names",
    "download_weights",
    "published_transform",
]

_OWN: dict[str, Callable[[ModelSpec], nn.Module]] = {
    "tinyvgg": lambda spec: TinyVGG(spec.image_shape, spec.classes, spec.hidden_units, spec.dropout or 0.0),
    "mlp": lambda spec: MLP(spec.image_shape, spec.classes, spec.hidden_units, spec.dropout or 0.0),
}


class _Zoo(Protocol):
    """Package of architectures with published weights. Its functions take model names without the prefix `timm:`."""

    def build(self, name: str, spec: ModelSpec) -> nn.Module: ...
    def transform(self, name: str) -> ImageTransform: ...
    def download(self, name: str) -> Tensors: ...
    def current(self, name: str, tensors: Tensors) -> Tensors: ...


def check_model_name(name: str) -> None:
    """Check that a model exists.

    Raises:
        NotFound: The model does not exist; the message lists similar names.
        MissingExtra: The model belongs to timm, which is not installed.
    """
    if name.startswith(timm_zoo.PREFIX):
        timm_zoo.check(name.removeprefix(timm_zoo.PREFIX))
        return
    names = [*_OWN, *torchvision_zoo.names()]
    if name not in names:
        similar = nearest(name, names)
        hint = (
            f"did you mean {' or '.join(similar)}?"
            if similar
            else f"known: {', '.join(_OWN)}, torchvision models, and timm:NAME"
        )
        raise NotFound(f"no model {name!r}; {hint}")


def build_model(spec: ModelSpec) -> nn.Module:
    """Return a newly initialised network that maps [b, c, h, w] images to [b, classes] logits.

    Raises:
        NotFound: The model does not exist.
        MissingExtra: The model belongs to timm, which is not installed.
        ConfigError: The model does not accept images of this shape.
    """
    check_model_name(spec.name)
    if spec.name in _OWN:
        return _OWN[spec.name](spec)
    zoo, name = _zoo_of(spec.name)
    return zoo.build(name, spec)


def published_transform(name: str) -> ImageTransform | None:
    """Return the transform of a model's published weights, or None if there are no published weights."""
    if name in _OWN:
        return None
    zoo, own_name = _zoo_of(name)
    return zoo.transform(own_name)


def download_weights(name: str) -> Tensors:
    """Download the newest published weights of a model, and rename the tensors to their current names.

    Raises:
        ConfigError: The model has no published weights.
        NotFound: The weights cannot be downloaded.
        DamagedFile: The weights are damaged.
    """
    if name in _OWN:
        raise ConfigError(f"weights is DEFAULT, but {name} has no published weights; give a file, a run or none")
    zoo, own_name = _zoo_of(name)
    return zoo.current(own_name, zoo.download(own_name))


def current_names(name: str, tensors: Tensors) -> Tensors:
    """Return the tensors of a published file under their current names in the model."""
    if name in _OWN:
        return tensors
    zoo, own_name = _zoo_of(name)
    return zoo.current(own_name, tensors)


def _zoo_of(name: str) -> tuple[_Zoo, str]:
    if name.startswith(timm_zoo.PREFIX):
        return timm_zoo, name.removeprefix(timm_zoo.PREFIX)
    return torchvision_zoo, name
