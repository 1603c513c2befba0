"""Nested records as flat names, and the numbers in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runfolio.record.base.files import NAMED_NUMBERS


def decode_numbers(value: Any) -> Any:
    """A tree of JSON values with the names of the numbers that JSON lacks (`docs/format.md`) made numbers again."""
    if isinstance(value, str):
        return NAMED_NUMBERS.get(value, value)
    if isinstance(value, list):
        return [decode_numbers(entry) for entry in value]
    if isinstance(value, dict):
        return {key: decode_numbers(entry) for key, entry in value.items()}
    return value


def flatten(nested: Mapping[str, Any]) -> dict[str, Any]:
    """`{"optimizer": {"lr": 0.1}}` as `{"optimizer/lr": 0.1}`; lists and empty mappings stay values."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping) and value:
            flat.update({f"{key}/{inner}": entry for inner, entry in flatten(value).items()})
        else:
            flat[str(key)] = value
    return flat


def as_number(value: Any) -> float | None:
    """A value as a number; None where it is none. True and False are none."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
