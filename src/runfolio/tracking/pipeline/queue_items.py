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
    """True if the step is not a training step. The step of system metrics, for example, is in seconds. Such a step does
    not change the next automatic step."""


class Media(NamedTuple):
    """Logged medium, such as an image. The encoder thread calls `content`, which returns the data to store."""

    time: float
    step: Any
    kind: str
    name: str
    content: Callable[[], StoredFile | bytes | dict[str, Any]]
    caption: str | None = None


class Mark:
    """Marker in the queue of log calls. The encoder thread numbers the log calls. When it reaches the marker, it sets
    `seq` to the number of the last log call."""

    seq: int | None = None


@dataclass
class FailedCall(Mark):
    """Call that failed and recorded nothing. The encoder thread counts the call and logs a warning."""

    name: str
    """Name under which the call is counted."""
    cause: str
    """Key that identifies the cause. Only the first call with the same cause is reported."""
    message: str


def held_bytes(content: Callable[[], object]) -> int:
    """Return the size of the arrays, tensors and bytes that the function of a `Media` item holds, in bytes."""
    function: Any = content
    cells = getattr(function, "__closure__", None) or ()
    return sum(map(_size, [*(cell.cell_contents for cell in cells), *(getattr(function, "__defaults__", None) or ())]))


def _size(value: object) -> int:
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, (list, tuple)):
        return sum(map(_size, value))
    size = getattr(value, "nbytes", 0) if hasattr(type(value), "nbytes") else 0
    return size if isinstance(size, int) else 0


Item = Plain | Scalars | Media | Mark
