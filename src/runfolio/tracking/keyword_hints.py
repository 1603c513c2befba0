"""Hints for keyword arguments that other trackers have and runfolio names differently."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

_Function = TypeVar("_Function", bound=Callable[..., Any])


def hint_at(hints: Mapping[str, str]) -> Callable[[_Function], _Function]:
    """Make a function's TypeError name the correct argument.

    Args:
        hints: Correct spelling, by the name of an unsupported argument.
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
