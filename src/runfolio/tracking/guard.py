"""Decorator for methods that record data. If such a method fails, the error is reported and training continues."""

from __future__ import annotations

import functools
import signal
import traceback
from collections.abc import Callable
from typing import Any, TypeVar, cast

_Method = TypeVar("_Method", bound=Callable[..., Any])


def guarded(otherwise: object, call: str | None = None) -> Callable[[_Method], _Method]:
    """Decorate a method. If the method raises an exception, `_note_failure(call, error)` of its object is called (see
    `Recorder.note_failure`).

    Interrupts, such as KeyboardInterrupt, are still raised. Python's TypeError for wrong arguments to the method is
    raised too.

    Args:
        otherwise: Result of the decorated method if it fails.
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
    """Return whether a signal handler raised the error, instead of the call that the signal interrupted.

    Examples are signal handlers for time limits, and torch's handler that reports a killed DataLoader worker.
    """
    handlers = map(signal.getsignal, signal.valid_signals())
    codes = {getattr(handler, "__code__", None) for handler in handlers}
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))
