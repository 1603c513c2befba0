"""Decorator for recording methods. If a value, a file, a library or the store causes an error, training continues."""

from __future__ import annotations

import functools
import signal
import traceback
from collections.abc import Callable
from typing import Any, TypeVar, cast

_Method = TypeVar("_Method", bound=Callable[..., Any])


def guarded(otherwise: object, call: str | None = None) -> Callable[[_Method], _Method]:
    """Make a method report its exceptions to `_note_failure(call, error)` of its object (see `Recorder.note_failure`).

    Interrupts are still raised. Python's TypeError about wrong arguments to the method is raised too.

    Args:
        otherwise: Result of the method if it fails.
        call: Name of the method in the report. Default: the method's own name.
    """

    def guard(method: _Method) -> _Method:
        @functools.wraps(method)
        def guarded_method(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return method(self, *args, **kwargs)
            except Exception as error:
                if _is_wrong_call(error):
                    raise
                self._note_failure(call or method.__name__, error)
                return otherwise

        return cast("_Method", guarded_method)

    return guard


def _is_wrong_call(error: Exception) -> bool:
    """Return whether Python rejected the arguments before it entered the method."""
    trace = error.__traceback__
    return isinstance(error, TypeError) and trace is not None and trace.tb_next is None


def is_interrupt(error: Exception) -> bool:
    """Return whether the error was raised by a signal handler instead of the interrupted call.

    Examples are handlers for time limits, and torch's handler that reports a killed DataLoader worker.
    """
    handlers = map(signal.getsignal, signal.valid_signals())
    codes = {getattr(handler, "__code__", None) for handler in handlers}
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))
