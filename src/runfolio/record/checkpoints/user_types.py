"""Support for enums and namedtuples that the user defined and stored in a training state.

A record contains only the names of these types. The types are never imported. If the object being restored uses a type
with the same name in its state, the stored values get this type. Otherwise, enum members become their values, and
namedtuples become tuples.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import Enum
from typing import Any

MARKS = ENUM, NAMEDTUPLE = ("$enum", "$namedtuple")


def is_namedtuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def user_types(state: Any) -> dict[str, type]:
    """Return the types of all enum members and namedtuples in a state, by the qualified name of the type."""
    types: dict[str, type] = {}
    _collect(state, types, set())
    return types


def _collect(state: Any, types: dict[str, type], visited: set[int]) -> None:
    if isinstance(state, Enum) or is_namedtuple(state):
        types[type(state).__qualname__] = type(state)
    if not isinstance(state, (Mapping, list, tuple, set, frozenset, deque)) or id(state) in visited:
        return
    visited.add(id(state))
    entries = [*state.keys(), *state.values()] if isinstance(state, Mapping) else state
    for entry in entries:
        _collect(entry, types, visited)


def build_member(types: Mapping[str, type], type_name: str, name: str, value: Any) -> tuple[Any, bool]:
    """Return the enum member with a name and True. If there is no such member, return `value` and False."""
    members = getattr(types.get(type_name), "__members__", {})
    return (members[name], True) if name in members else (value, False)


def build_namedtuple(types: Mapping[str, type], type_name: str, *fields: Any) -> tuple[Any, bool]:
    """Build a namedtuple from (name, value) pairs, and return it with True.

    If the type is unknown or has different fields, return a tuple of the values and False.
    """
    names, values = tuple(name for name, _ in fields), [value for _, value in fields]
    kind: Any = types.get(type_name)
    return (kind._make(values), True) if getattr(kind, "_fields", None) == names else (tuple(values), False)
