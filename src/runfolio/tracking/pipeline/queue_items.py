"""Items that the training thread passes to the encoder thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from runfolio.tracking.pipeline.stored_file import StoredFile

Plain = tuple[float, int | None, dict[str, float]]
"""Call to `Run.log` with only float values: (time, step, values). A plain tuple is fastest for these frequent calls."""


class Scalars(NamedTuple):
    """Call to `Run.log` that the encoder thread must check value by value."""

    time: float
    step: Any
    values: dict[str, Any]
    aside: bool = False
    """True if the step does not count log calls, and therefore does not affect the next automatic step."""


class Media(NamedTuple):
    """Logged medium, such as an image. The encoder thread calls `content` to compute the stored form."""

    time: float
    step: Any
    kind: str
    name: str
    content: Callable[[], StoredFile | bytes | dict[str, Any]]
    caption: str | None = None


class Mark:
    """Position in the queue. When the encoder thread reaches this position, it sets `seq` to the last assigned sequence
    number."""

    seq: int | None = None


@dataclass
class FailedCall(Mark):
    """Call that recorded nothing. The encoder counts and reports it."""

    name: str
    """Name under which the call is counted."""
    cause: str
    """Key that identifies the cause, because each cause is reported only once."""
    message: str


Item = Plain | Scalars | Media | Mark
