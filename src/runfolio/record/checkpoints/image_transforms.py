"""Torchvision image transforms as plain data, so that checkpoints can store them without pickle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from runfolio.errors import ConfigError
from runfolio.record.checkpoints.bounded_values import (
    Check,
    WrongValue,
    checked,
    choice,
    described,
    either,
    integer,
    number,
    optional,
    sequence,
    text,
)

MAX_SIDE = 4096
"""Maximum side length in pixels of the images that a checkpoint may describe."""
MAX_VALUE = 3.4e38
"""Maximum value of a pixel, a mean or a standard deviation. Float32 can represent this value."""
INTERPOLATIONS = ("nearest", "nearest-exact", "bilinear", "bicubic", "box", "hamming", "lanczos")
_DTYPES = ("uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")
_MAX_STEPS = 64
_MAX_CLASSES = 1_000_000
_MAX_CHANNELS = 64

_size = either(sequence(integer(1, MAX_SIDE), 1, 2), optional(integer(1, MAX_SIDE)))
_dtype = choice(*_DTYPES)

STEPS: Mapping[str, Mapping[str, Check]] = {
    "Resize": {
        "size": _size,
        "interpolation": choice(*INTERPOLATIONS),
        "max_size": optional(integer(1, MAX_SIDE)),
        "antialias": choice(True, False, None),
    },
    "CenterCrop": {"size": _size},
    "Grayscale": {"num_output_channels": choice(1, 3)},
    "RGB": {},
    "ToTensor": {},
    "ToImage": {},
    "PILToTensor": {},
    "ToPureTensor": {},
    "ConvertImageDtype": {"dtype": _dtype},
    "ToDtype": {"dtype": _dtype, "scale": choice(True, False)},
    "Normalize": {
        "mean": sequence(number(-MAX_VALUE, MAX_VALUE), 1, _MAX_CHANNELS),
        "std": sequence(number(0, MAX_VALUE, above=True), 1, _MAX_CHANNELS),
    },
}
"""Transforms that can be stored, with a check for each argument. All of the transforms are deterministic."""
V2 = "v2."
"""Prefix for the names of transforms from `torchvision.transforms.v2`."""

_PACKAGE = "torchvision.transforms"


def plain_steps(transform: Any) -> list[dict[str, Any]]:
    """Convert a transform, or a `Compose` of several, to JSON values.

    Each step is stored as its name and its arguments. Transforms from `torchvision.transforms.v2` get the prefix `v2.`,
    because they round differently from the older transforms.

    Raises:
        ConfigError: A step is random, is defined by the user, or cannot be stored for another reason.
    """
    return list(_plain_steps(transform))


@dataclass(frozen=True)
class TransformStep:
    """Torchvision transform with valid arguments."""

    name: str
    is_v2: bool
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class ScriptClassifier:
    """Class names and transform that a user's script stored in a checkpoint."""

    classes: tuple[str, ...]
    transform: tuple[TransformStep, ...]


def _check_step(value: Any) -> TransformStep:
    arguments = dict(value) if type(value) is dict else {}
    name = text(arguments.pop("name", None))
    plain_name = name.removeprefix(V2)
    if plain_name not in STEPS or arguments.keys() != STEPS[plain_name].keys():
        raise WrongValue(f"is not a known transform: {name[:80]!r} with {', '.join(arguments)[:80] or 'no arguments'}")
    return TransformStep(plain_name, name.startswith(V2), checked(arguments, STEPS[plain_name]))


check_steps = sequence(_check_step, 1, _MAX_STEPS)
"""Function that checks a list of steps in the form that `plain_steps` returns."""
check_classifier = described(ScriptClassifier, {"classes": sequence(text, 1, _MAX_CLASSES), "transform": check_steps})
"""Function that checks the classes and the transform stored in a checkpoint of a user's script."""


def class_names(classes: Any) -> list[str]:
    """Return the class names, in order.

    Raises:
        ConfigError: `classes` is not a list of strings.
    """
    names = [] if isinstance(classes, str) or not isinstance(classes, Sequence) else list(classes)
    if not names or any(type(name) is not str for name in names):
        raise ConfigError("classes are not a list of names; pass a list such as ['cat', 'dog']")
    return names


def _plain_steps(step: Any) -> Iterator[dict[str, Any]]:
    kind = type(step)
    name = kind.__name__ if kind.__module__.startswith(_PACKAGE) else ""
    if name == "Compose":
        for part in step.transforms:
            yield from _plain_steps(part)
    elif name == "ImageClassification":  # returned by `weights.transforms()` for torchvision's networks
        interpolation = _plain(step.interpolation)
        yield _step("Resize", _plain(step.resize_size), interpolation, None, step.antialias)
        yield _step("CenterCrop", _plain(step.crop_size))
        yield _step("PILToTensor")
        yield _step("ConvertImageDtype", "float32")
        yield _step("Normalize", _plain(step.mean), _plain(step.std))
    elif name in STEPS:
        arguments = [_plain(getattr(step, argument)) for argument in STEPS[name]]
        is_v2 = kind.__module__.startswith(f"{_PACKAGE}.v2")
        yield _step(name, *arguments) | ({"name": V2 + name} if is_v2 else {})
    else:
        raise ConfigError(
            f"the transform {kind.__name__} cannot be stored; pass the validation transform, made of {', '.join(STEPS)}"
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
    raise ConfigError(f"a transform's argument of type {type(value).__name__} cannot be stored; use numbers")
