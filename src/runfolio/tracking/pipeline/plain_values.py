"""Conversion of metric values and steps to Python numbers, with checks of names and values."""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from runfolio.errors import ConfigError
from runfolio.tracking.pipeline.plain_texts import exact_number, is_plain, is_tensor, shorten, text_of

LONGEST_NAME = 1000
"""Maximum length of a metric name, in characters."""
_MAX_DEPTH = 100
"""Maximum nesting depth of dicts in a log call."""
_STEP_BITS = 64
LARGEST_STEP = 2 ** (_STEP_BITS - 1) - 1


def count_numbers(value: Any) -> int | None:
    """Return how many numbers a NumPy or torch value contains. Return None for other values."""
    if not hasattr(value, "item"):
        return None
    count = value.numel() if hasattr(value, "numel") else getattr(value, "size", None)
    return count if type(count) is int else None


class NoNumber(NamedTuple):
    """Replacement for a value that cannot be stored. It does not refer to the value, so the memory and the autograd
    graph of the value can be freed."""

    reason: str


class Refusal(NamedTuple):
    """Value that was passed to a log call but is not stored."""

    name: str
    reason: str
    """Reason why the value is not stored. The text completes a sentence that starts with `metric 'name'`."""


def detach_value(value: Any) -> Any:
    """Return a value as a number that does not change later and does not hold the autograd graph.

    A GPU tensor is copied on the GPU and read later by the encoder thread. The call therefore does not wait for the
    GPU. Dicts are copied. A value that is not a number, or that raises an error, becomes a `NoNumber`.
    """
    return _try_detach(value, ())


def _try_detach(value: Any, ancestors: tuple[int, ...]) -> Any:
    try:
        return _detach(value, ancestors)
    except Exception:  # a user's `item` may raise any error
        return NoNumber(f"is not one number but {_describe(value)}")


def _detach(value: Any, ancestors: tuple[int, ...]) -> Any:
    if isinstance(value, Mapping):
        if id(value) in ancestors or len(ancestors) == _MAX_DEPTH:
            return NoNumber(f"is a dict that contains itself, or is nested in {_MAX_DEPTH} other dicts")
        return {key: _try_detach(value[key], (*ancestors, id(value))) for key in value}
    count = count_numbers(value)
    if count is not None and count != 1:
        return NoNumber(f"is not one number but {_describe(value)}")
    if is_tensor(value):
        tensor = value.detach()
        return tensor.item() if tensor.device.type == "cpu" else tensor.clone()
    if count is not None:
        if getattr(getattr(value, "dtype", None), "kind", "") in "mMSU":  # `item` converts datetime values to integers
            return NoNumber(f"is not one number but a {value.dtype}")
        if bool(getattr(value, "mask", False)):
            return NoNumber("is masked")
        value = value.item()
    return value if is_plain(value) else _to_number(value)


def _to_number(value: Any) -> float | NoNumber:
    """Convert an object to a number during the call. The object may change later, and a background thread must not run
    user code."""
    try:
        return metric_value(value)
    except ConfigError as error:
        return NoNumber(str(error))


def metric_numbers(values: Mapping[Any, Any]) -> tuple[dict[str, float], list[Refusal]]:
    """Return the valid numbers of a log call by name, and the values that cannot be stored.

    The keys of nested dicts are joined, as in `a/b`. If several keys result in the same name, only the last value is
    stored.
    """
    numbers: dict[str, float] = {}
    refused: list[Refusal] = []
    for name, value in _flatten(values, ""):
        try:
            check_name(name)
            number = metric_value(value)
        except ConfigError as error:
            refused.append(Refusal(name, str(error)))
            continue
        if name in numbers:
            refused.append(Refusal(name, "is given twice in one call, and only the last value is stored"))
        numbers[name] = number
    return numbers, refused


def check_numbers(values: Mapping[Any, Any]) -> dict[str, float]:
    """Return the numbers of a log call, and raise an error if a value cannot be stored. The function waits for GPU
    tensors.

    Raises:
        ConfigError: A value cannot be stored. The message contains the name of the metric.
    """
    numbers, refused = metric_numbers(values)
    if refused:
        raise ConfigError(f"metric {short(refused[0].name)} {refused[0].reason}; the whole call was not stored")
    return numbers


def _flatten(values: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        try:
            name = prefix + text_of(key, "a key")
        except (ConfigError, ValueError):  # an integer with more than 4,300 digits raises ValueError
            yield f"{prefix}<{type(key).__name__}>", NoNumber("has a key that cannot be converted to a string")
            continue
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{name}/")
        else:
            yield name, value


def check_name(name: Any) -> None:
    """Check the name of a metric.

    Raises:
        ConfigError: The name is not a string, is empty, is longer than 1,000 characters, or is not valid Unicode.
    """
    if not issubclass(type(name), str):
        raise ConfigError(f"a metric name must be a string, not {_describe(name)}")
    name = str.__str__(name)
    if not name.strip() or len(name) > LONGEST_NAME:
        raise ConfigError(f"has a name that is empty or longer than {LONGEST_NAME:,} characters")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ConfigError("has a name that is not valid Unicode (it contains a lone surrogate)") from None


def metric_value(value: Any) -> float:
    """Return a metric's value as float64. Integers are converted exactly, and other numbers are rounded.

    Raises:
        ConfigError: The value is not one number, or float64 cannot represent the number.
    """
    if value.__class__ is float:
        return value
    if isinstance(value, NoNumber):
        raise ConfigError(value.reason)
    try:
        number: Any = exact_number(value.item() if hasattr(value, "item") else value)
        if isinstance(number, (str, bytes, bytearray)) or number is None:
            raise TypeError
        result = float(number)
    except OverflowError:
        result, number = math.inf, None
    except Exception:  # a user's `__float__` may raise any error
        raise ConfigError(f"is not one number but {_describe(value)}") from None
    if math.isinf(result) and (number is None or (is_plain(number) and number != result)):
        raise ConfigError(f"is {shorten(value)}, which exceeds float64")
    if isinstance(number, int) and int(result) != number:
        raise ConfigError(f"is {number}, an integer that float64 cannot represent exactly")
    return result


def named_number(value: Any, what: str) -> float:
    """Convert a number that is not a metric to float64. Integers are converted exactly, and other numbers are rounded,
    as in `metric_value`.

    Args:
        what: Name that the error message uses for the value.
    Raises:
        ConfigError: The value is not one number, or float64 cannot represent the number.
    """
    try:
        return metric_value(value)
    except ConfigError as error:
        raise ConfigError(f"{what} {error}") from None


def whole_step(step: Any) -> int:
    """Return a step as an integer. Floats such as 9.0, and arrays and tensors with one element, are accepted.

    Raises:
        ConfigError: The step is not an integer, or has more than 64 bits.
    """
    if isinstance(step, NoNumber):
        raise ConfigError(f"step {step.reason}")
    integer = step if type(step) is int else _integer(step)
    if integer is None:
        raise ConfigError(f"step {shorten(step)} is not an integer")
    if not -LARGEST_STEP - 1 <= integer <= LARGEST_STEP:
        raise ConfigError(f"step {shorten(step)} has more than {_STEP_BITS} bits")
    return integer


def _integer(step: Any) -> int | None:
    with contextlib.suppress(Exception):  # a user's `item` may raise any error
        exact = step.item() if hasattr(step, "item") else step
        with contextlib.suppress(TypeError):
            return operator.index(exact)
        if is_plain(exact) and int(exact) == exact:  # a string never equals an integer
            return int(exact)
    return None


def short(name: str) -> str:
    """Return a name in quotes for a message, shortened to 60 characters."""
    return repr(name if len(name) <= 60 else f"{name[:60]}...")


def _describe(value: Any) -> str:
    """Describe a value that is not a number: a string by its content, and any other value by its type and shape."""
    kind = type(value)
    if kind in (str, bytes, type(None)):
        return shorten(value)
    if kind.__module__.partition(".")[0] in ("numpy", "torch") and hasattr(value, "shape"):
        return f"{kind.__name__} of shape {tuple(value.shape)}"
    return kind.__name__
