"""Image transforms of torchvision as plain data, so that a checkpoint can hold them without pickle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

from runfolio.errors import ConfigError

STEPS: Mapping[str, tuple[str, ...]] = {
    "Resize": ("size", "interpolation", "max_size", "antialias"),
    "CenterCrop": ("size",),
    "Grayscale": ("num_output_channels",),
    "RGB": (),
    "ToTensor": (),
    "ToImage": (),
    "PILToTensor": (),
    "ToPureTensor": (),
    "ConvertImageDtype": ("dtype",),
    "ToDtype": ("dtype", "scale"),
    "Normalize": ("mean", "std"),
}
"""Transforms that can be stored, with their arguments; none of them is random."""

_PACKAGE = "torchvision.transforms"


def plain_steps(transform: Any) -> list[dict[str, Any]]:
    """Return a transform, or a `Compose` of several, as JSON values: the name and arguments of each step.

    Names of `torchvision.transforms.v2` begin with `v2.`: it rounds otherwise than the older package.

    Raises:
        ConfigError: A step is random, of one's own or of another kind that cannot be stored.
    """
    return list(_plain_steps(transform))


def class_names(classes: Any) -> list[str]:
    """Return the names of classes, in order.

    Raises:
        ConfigError: It is not a list of texts.
    """
    names = [] if isinstance(classes, str) or not isinstance(classes, Sequence) else list(classes)
    if not names or any(type(name) is not str for name in names):
        raise ConfigError("classes are not a list of names; give such as ['cat', 'dog']")
    return names


def _plain_steps(step: Any) -> Iterator[dict[str, Any]]:
    kind = type(step)
    name = kind.__name__ if kind.__module__.startswith(_PACKAGE) else ""
    if name == "Compose":
        for part in step.transforms:
            yield from _plain_steps(part)
    elif name == "ImageClassification":  # `weights.transforms()` of torchvision's pretrained networks
        interpolation = _plain(step.interpolation)
        yield _step("Resize", _plain(step.resize_size), interpolation, None, step.antialias)
        yield _step("CenterCrop", _plain(step.crop_size))
        yield _step("PILToTensor")
        yield _step("ConvertImageDtype", "float32")
        yield _step("Normalize", _plain(step.mean), _plain(step.std))
    elif name in STEPS:
        arguments = [_plain(getattr(step, argument)) for argument in STEPS[name]]
        is_v2 = kind.__module__.startswith(f"{_PACKAGE}.v2")
        yield _step(name, *arguments) | ({"name": f"v2.{name}"} if is_v2 else {})
    else:
        raise ConfigError(
            f"the transform {kind.__name__} cannot be stored; give the one that validates, of {', '.join(STEPS)}"
        )


def _step(name: str, *values: Any) -> dict[str, Any]:
    return {"name": name, **dict(zip(STEPS[name], values, strict=True))}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(entry) for entry in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if type(value).__name__ == "dtype":
        return str(value).removeprefix("torch.")
    raise ConfigError(f"a transform's argument of type {type(value).__name__} cannot be stored; give numbers")
