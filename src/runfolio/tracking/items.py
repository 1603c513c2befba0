"""What the training thread hands to the writer thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Plain = tuple[float, int | None, dict[str, float]]
"""A call of `Run.log` whose values are all floats: time, step, values. Of the usual kind, so a bare tuple."""


class Scalars(NamedTuple):
    """A call of `Run.log` that the writer thread must look at value by value."""

    time: float
    step: Any
    values: dict[str, Any]
    aside: bool = False
    """Its step counts something else: automatic steps go on behind the call before."""


class Media(NamedTuple):
    """One image, figure, text or histogram; `content` makes what is stored, on the writer thread."""

    time: float
    step: Any
    kind: str
    name: str
    content: Callable[[], bytes | dict[str, Any]]
    caption: str | None = None


class Mark:
    """A place between items: it hears the last seq given out before it, once the writer thread has come there."""

    seq: int | None = None


Item = Plain | Scalars | Media | Mark
