"""Redirection of warnings that libraries issue while runfolio calls them. They are reported at the line of the user's
code that called runfolio."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_PACKAGE = __name__.partition(".")[0]


@contextmanager
def warnings_at_caller() -> Iterator[None]:
    """Collect the warnings that the block issues, and then issue them at the line of the user's code that called this
    package."""
    caller = _caller()
    with warnings.catch_warnings(record=True) as collected:
        warnings.simplefilter("always")
        yield
    for entry in collected:
        warnings.warn_explicit(
            entry.message,
            entry.category,
            caller.f_code.co_filename,
            caller.f_lineno,
            module=caller.f_globals.get("__name__"),
            registry=caller.f_globals.setdefault("__warningregistry__", {}),
        )


def _caller() -> FrameType:
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame):
        frame = frame.f_back
    return frame


def _is_ours(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__"))
    return name == "contextlib" or name.partition(".")[0] == _PACKAGE
