"""Hints for keyword arguments of other trackers that have a different name in runfolio."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

_Function = TypeVar("_Function", bound=Callable[..., Any])


def hint_at(hints: Mapping[str, str]) -> Callable[[_Function], _Function]:
    """Make the TypeError for an unknown argument mention the correct name.

    Args:
        hints: Correct spelling for each unsupported argument.
    """

    def decorate(function: _Function) -> _Function:
        @functools.wraps(function)
        def hinting(*args: Any, **kwargs: Any) -> Any:
            for name in kwargs:
                if name in hints:
                    raise TypeError(f"{function.__name__} has no argument {name!r}; use {hints[name]}")
            return function(*args, **kwargs)

        return cast("_Function", hinting)

    return decorate
