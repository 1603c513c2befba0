"""Items that the training thread hands to the encoder thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from runfolio.tracking.pipeline.pixels import StoredImage

Plain = tuple[float, int | None, dict[str, float]]
"""A call of `Run.log` whose values are all floats: time, step, values. The usual kind, therefore a bare tuple."""


class Scalars(NamedTuple):
    """A call of `Run.log` that the encoder thread must check value by value."""

    time: float
    step: Any
    values: dict[str, Any]
    aside: bool = False
    """Whether its step counts something else: the next automatic step then ignores it."""


class Media(NamedTuple):
    """One image, figure, text or histogram; `content` computes what is stored, on the encoder thread."""

    time: float
    step: Any
    kind: str
    name: str
    content: Callable[[], StoredImage | bytes | dict[str, Any]]
    caption: str | None = None


class Mark:
    """A position between items: it receives the last seq given out before it, once the encoder thread reaches it."""

    seq: int | None = None


@dataclass
class FailedCall(Mark):
    """A position at which a call recorded nothing, to be counted and reported."""

    name: str
    """The name that it is counted under."""
    cause: str
    """Key of the failure; each cause is reported once."""
    message: str


Item = Plain | Scalars | Media | Mark
