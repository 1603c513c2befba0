"""Items that the training thread passes to the encoder thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from runfolio.tracking.pipeline.stored_file import StoredFile

Plain = tuple[float, int | None, dict[str, float]]
"""Call of `Run.log` whose values are all floats: time, step, values. It is the usual kind, hence a plain tuple."""


class Scalars(NamedTuple):
    """Call of `Run.log` that the encoder thread must check value by value."""

    time: float
    step: Any
    values: dict[str, Any]
    aside: bool = False
    """True if its step counts something else, so that the next automatic step ignores it."""


class Media(NamedTuple):
    """A medium; the encoder thread calls `content` to compute the stored form."""

    time: float
    step: Any
    kind: str
    name: str
    content: Callable[[], StoredFile | bytes | dict[str, Any]]
    caption: str | None = None


class Mark:
    """Position between items. When the encoder thread reaches it, it gets the last assigned seq."""

    seq: int | None = None


@dataclass
class FailedCall(Mark):
    """Position of a call that recorded nothing, to be counted and reported."""

    name: str
    """Name under which it is counted."""
    cause: str
    """Key of the failure; each cause is reported once."""
    message: str


Item = Plain | Scalars | Media | Mark
