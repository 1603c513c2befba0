"""Mutations of JSON trees: each value is replaced by values of all types."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from runfolio.errors import RunfolioError

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    3,
    4096,
    1_000_000,
    2**31,
    2**63 - 1,
    -(2**63),
    0.5,
    -0.0,
    5e-324,
    1.7e308,
    "",
    "x",
    "NaN",
    "tinyvgg",
    "\x1b[2J" * 2000,
    [],
    [0],
    [2**62] * 3,
    ["a", "a"],
    [None] * 1000,
    {},
    {"name": "x"},
    {"$range": [0, 2**62, 1]},
    {"$tensor": "state.0"},
)


def mutations(tree: Any) -> Iterator[Any]:
    """Yield copies of a tree, in each of which one value is replaced, or one entry removed or added."""
    for path in _paths(tree):
        for value in VALUES:
            yield _changed(tree, path, lambda parent, key, value=value: parent.__setitem__(key, value))
        yield _changed(tree, path, lambda parent, key: parent.__delitem__(key))
    yield from VALUES


def raw_errors(mutants: Iterable[Any], read: Callable[[Any], object]) -> list[str]:
    """Return a line for each tree for which `read` raises an error that is not of runfolio."""
    lines: list[str] = []
    for mutant in mutants:
        try:
            read(mutant)
        except RunfolioError as error:
            if not str(error) or len(str(error)) > 2_000:
                lines.append(f"message of {len(str(error))} characters for {json.dumps(mutant)[:300]}")
        except Exception as error:
            lines.append(f"{type(error).__name__}: {error} for {json.dumps(mutant)[:300]}")
    return lines


def _paths(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in entries:
        yield (*path, key)
        yield from _paths(value, (*path, key))


def _changed(tree: Any, path: tuple[Any, ...], change: Callable[[Any, Any], object]) -> Any:
    mutant = copy.deepcopy(tree)
    parent = mutant
    for key in path[:-1]:
        parent = parent[key]
    change(parent, path[-1])
    return mutant
