"""Functions that convert user values to strings without running user code. A user's `__str__` may raise an error or
never return."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import NoneType
from typing import Any

from runfolio.errors import ConfigError, RunfolioError
from runfolio.record.base.layout import expand_home

_PLAIN_TYPES = (NoneType, bool, int, float, complex, str, bytes)
_PLAIN_MODULES = ("datetime", "decimal", "fractions", "pathlib", "uuid")
_NUMPY_KINDS = "biufcmMSU"
_LONGEST_REASON = 300


def is_plain(value: Any) -> bool:
    """Return whether a value is plain, which means that its methods do not run user code.

    Plain values are numbers, strings, times and paths of Python, NumPy or torch, and tuples of plain values.
    """
    kind = type(value)
    if kind in _PLAIN_TYPES or kind.__module__ in _PLAIN_MODULES:
        return True
    if kind is tuple:
        return all(map(is_plain, value))
    if kind.__module__ == "numpy":
        return getattr(value, "shape", None) == () and value.dtype.kind in _NUMPY_KINDS
    return kind.__module__ == "torch" and kind.__name__ in ("device", "dtype")


def is_tensor(value: Any) -> bool:
    torch: Any = sys.modules.get("torch")
    return torch is not None and issubclass(type(value), torch.Tensor)


def text_of(value: Any, what: str) -> str:
    """Return a string unchanged, or convert a plain value, such as a number or a path, to a string.

    Args:
        what: Name that the error message uses for the value.
    Raises:
        ConfigError: The value is neither a string nor a plain value (see `is_plain`).
    """
    if issubclass(type(value), str):
        return str.__str__(value)
    if not is_plain(value):
        raise ConfigError(f"{what} must be a string, not {type(value).__name__}; convert it with str(...)")
    return str(value)


def path_of(value: Any) -> Path:
    """Return the path that a string or an object with `__fspath__` represents. A leading `~` stands for the home
    folder."""
    return expand_home(str.__str__(value) if issubclass(type(value), str) else os.fspath(value))


def type_or_text(value: Any) -> str:
    """Return a plain value, such as a number, as a string. For any other object, return the name of its type."""
    return str(value) if is_plain(value) else f"{type(value).__module__}.{type(value).__qualname__}"


def shorten(value: Any, length: int = 40) -> str:
    """Describe a value for a message. A plain value, such as a number or a string, is shortened to `length` characters.
    Any other value is described by its type."""
    try:
        text = repr(value) if is_plain(value) else ""
    except ValueError:  # Python does not convert an integer with more than 4,300 digits
        text = ""
    return text[:length] + "..." * (len(text) > length) if text else f"a {type(value).__name__}"


def exact_number(value: Any) -> Any:
    """Convert an instance of a subclass of int or float to int or float. Return other values unchanged."""
    if issubclass(type(value), int):
        return int.__int__(value)
    return float.__float__(value) if issubclass(type(value), float) else value


def describe_error(error: BaseException) -> str:
    """Describe an exception in one line that contains its class and message."""
    if isinstance(error, RunfolioError):
        return str(error)
    details = error.args
    if isinstance(error, OSError) and type(error.strerror) is str:
        details = (error.strerror, error.filename)
    lines = [text.strip().partition("\n")[0] for text in details if type(text) is str]
    return ": ".join([type(error).__name__, *lines])[:_LONGEST_REASON]
