"""Python and NumPy types that a training state may contain. Each type has its own marker, and its values are stored as
lists of simpler parts.

The format is specified in `docs/format.md`.

The list of types is fixed. Therefore, a file cannot cause any other type to be imported or called.
"""

from __future__ import annotations

import base64
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, NamedTuple

_FACTORIES: dict[str, Callable[[], Any] | None] = {
    "None": None,
    **{kind.__name__: kind for kind in (bool, int, float, complex, str, bytes, list, tuple, dict, set)},
    **{kind.__name__: kind for kind in (Counter, OrderedDict, deque, defaultdict)},
}
"""Supported default factories of a `defaultdict`, by name."""
_SCALAR_KINDS = "biufcU"


class StandardType(NamedTuple):
    """Standard type that a training state may contain."""

    mark: str
    parts: Callable[[Any], list[Any] | None]
    """Function that splits a value into parts: numbers, strings, containers, and other values of standard types. The
    function returns None if the value cannot be split."""
    build: Callable[[list[Any]], Any]
    """Function that builds the value from its parts. The function raises TypeError, ValueError or KeyError if the parts
    are invalid."""


def standard_type(value: Any) -> StandardType | None:
    """Return the `StandardType` for the exact type of a value, ignoring base classes. Return None for other types."""
    kind = type(value)
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return _SCALAR
    return _BY_NAME.get(f"{kind.__module__}.{kind.__qualname__}")


def _pairs(value: dict[Any, Any]) -> list[Any]:
    return [[key, entry] for key, entry in value.items()]


def _dict(pairs: list[Any]) -> dict[Any, Any]:
    return {key: entry for key, entry in pairs}  # noqa: C416 - `dict` would copy a long range before it rejects the range


def _defaultdict_parts(value: defaultdict[Any, Any]) -> list[Any] | None:
    names = [name for name, factory in _FACTORIES.items() if factory is value.default_factory]
    return [*names, *_pairs(value)] if names else None


def _build_defaultdict(parts: list[Any]) -> Any:
    factory, *pairs = parts
    return defaultdict(_FACTORIES[factory], _dict(pairs))


def _build_deque(parts: list[Any]) -> Any:
    maxlen, *entries = parts
    return deque(entries, maxlen)


def _build_bytes(parts: list[Any]) -> bytes:
    (text,) = parts
    return base64.b64decode(text, validate=True)


def _scalar_parts(value: Any) -> list[Any] | None:
    if value.dtype.kind not in _SCALAR_KINDS or (value.dtype.kind != "U" and value.dtype.itemsize > 16):
        return None
    number = value.item()
    return None if type(number) is type(value) else [value.dtype.name if value.dtype.kind != "U" else "str", number]


def _build_scalar(parts: list[Any]) -> Any:
    import numpy as np

    name, number = parts
    dtype = np.dtype(name) if isinstance(name, str) and name.isalnum() else None
    if dtype is None or dtype.kind not in _SCALAR_KINDS:
        raise ValueError(f"{name!r} is not a kind of number")
    if not isinstance(number, (int, float, complex, str)):
        raise TypeError(f"{type(number).__name__} instead of a number")
    return dtype.type(number)


def _build_size(parts: list[Any]) -> Any:
    import torch

    return torch.Size(parts)


def _build_dtype(parts: list[Any]) -> Any:
    import torch

    (name,) = parts
    return {str(kind): kind for kind in vars(torch).values() if isinstance(kind, torch.dtype)}[name]


def _build_device(parts: list[Any]) -> Any:
    import torch

    (name,) = parts
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(str(error)) from None


_SCALAR = StandardType("$scalar", _scalar_parts, _build_scalar)
_BY_NAME = {
    "collections.OrderedDict": StandardType("$OrderedDict", _pairs, lambda parts: OrderedDict(_dict(parts))),
    "collections.Counter": StandardType("$Counter", _pairs, lambda parts: Counter(_dict(parts))),
    "collections.defaultdict": StandardType("$defaultdict", _defaultdict_parts, _build_defaultdict),
    "collections.deque": StandardType("$deque", lambda value: [value.maxlen, *value], _build_deque),
    "builtins.tuple": StandardType("$tuple", list, tuple),
    "builtins.set": StandardType("$set", list, set),
    "builtins.frozenset": StandardType("$frozenset", list, frozenset),
    "builtins.complex": StandardType("$complex", lambda value: [value.real, value.imag], lambda parts: complex(*parts)),
    "builtins.range": StandardType(
        "$range", lambda value: [value.start, value.stop, value.step], lambda parts: range(*parts)
    ),
    "builtins.bytes": StandardType("$bytes", lambda value: [base64.b64encode(value).decode()], _build_bytes),
    "builtins.bytearray": StandardType(
        "$bytearray", lambda value: [base64.b64encode(value).decode()], lambda parts: bytearray(_build_bytes(parts))
    ),
    "torch.Size": StandardType("$Size", list, _build_size),
    "torch.dtype": StandardType("$dtype", lambda value: [str(value)], _build_dtype),
    "torch.device": StandardType("$device", lambda value: [str(value)], _build_device),
}
BY_MARK = {entry.mark: entry for entry in (_SCALAR, *_BY_NAME.values())}
