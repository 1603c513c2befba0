"""Flattening of nested mappings, and encoding of numbers that JSON cannot represent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from runfolio.record.base.files import NAMED_NUMBERS, number_to_json

_TEXT = "$text"
"""Key of the object that replaces a string such as "NaN". Without the replacement, the string would be decoded as a
number."""


def encode_numbers(value: Any) -> Any:
    """Replace each number that JSON cannot represent with its name (`docs/format.md`, run.json).

    Another thread may change the dicts at the same time.
    """
    if isinstance(value, str):
        return {_TEXT: value} if value in NAMED_NUMBERS else value
    if isinstance(value, float):
        return number_to_json(value)
    if isinstance(value, dict):
        return {key: encode_numbers(entry) for key, entry in tuple(value.items())}
    return [encode_numbers(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def decode_numbers(value: Any) -> Any:
    """Restore the tree of values that `encode_numbers` converted."""
    kind = type(value)  # the JSON decoder never returns subclasses of list, dict or str
    if kind is str:
        return NAMED_NUMBERS.get(value, value)
    if kind is list:
        return [decode_numbers(entry) for entry in value]
    if kind is dict:
        if len(value) == 1 and value.get(_TEXT) in tuple(NAMED_NUMBERS):
            return value[_TEXT]
        return {key: decode_numbers(entry) for key, entry in value.items()}
    return value


def flatten(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten nested mappings: `{"optimizer": {"lr": 0.1}}` becomes `{"optimizer/lr": 0.1}`. Lists and empty mappings
    remain values.

    Two values could get the same name. For example, the value of `"a/b"` and the value of `"b"` inside `"a"` would both
    be named `a/b`. In this case, each `/` inside a key is written as `\\/`.
    """
    leaves = list(_leaves(nested, ()))
    flat = {"/".join(keys): value for keys, value in leaves}
    if len(flat) == len(leaves):
        return flat
    return {"/".join(key.replace("\\", "\\\\").replace("/", "\\/") for key in keys): value for keys, value in leaves}


def _leaves(nested: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in nested.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*keys, str(key)))
        else:
            yield (*keys, str(key)), value


def identity(value: Any) -> str:
    """Return a string that is equal for two settings only if the settings are equal.

    Here, 1 equals 1.0, and NaN equals NaN, but true differs from 1 and from "true".
    """
    if isinstance(value, (str, int, float)):
        return _identity_of_scalar(value)
    return json.dumps(_comparable(value), sort_keys=True, default=str)


@lru_cache(maxsize=65_536, typed=True)  # cached, since tables compare the same few values of many runs
def _identity_of_scalar(value: str | float) -> str:
    return json.dumps(_comparable(value))


def _comparable(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _comparable(entry) for key, entry in value.items()}
    return [_comparable(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def short_texts(values: Iterable[Any]) -> dict[str, str]:
    """Return a display string for each distinct value, keyed by `identity(value)`. Floats are shortened if all strings
    remain distinct."""
    distinct = {identity(value): value for value in values}
    short = {key: f"{value:g}" if isinstance(value, float) else str(value) for key, value in distinct.items()}
    return short if len(set(short.values())) == len(short) else {key: key for key in distinct}


def as_number(value: Any) -> float | None:
    """Return a value as a number, or None if the value is not a number. Booleans do not count as numbers."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
