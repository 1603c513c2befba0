"""Nested records as flat names, and the numbers in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NOT_JSON = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def flatten(nested: Mapping[str, Any]) -> dict[str, Any]:
    """`{"optimizer": {"lr": 0.1}}` as `{"optimizer/lr": 0.1}`; lists and empty mappings stay values."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping) and value:
            flat.update({f"{key}/{inner}": entry for inner, entry in flatten(value).items()})
        else:
            flat[str(key)] = value
    return flat


def number(value: Any) -> float | None:
    """A recorded value as a number, with the format's names for those that JSON lacks; None where it is none."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    return _NOT_JSON.get(value) if isinstance(value, str) else None
