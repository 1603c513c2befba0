"""How a process ended, and what becomes of the runs it left open.

Hooked once, at the first `init`: `sys.excepthook` (a traceback), `sys.exit` (an exit code), SIGTERM (preempted)
and `atexit` (everything else). What was hooked before still runs; exceptions, exit codes and signals reach everybody
else unchanged.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class Outcome:
    """How a run ended; the fields are those of the record's status."""

    state: str = "finished"
    reason: str | None = None
    exit_code: int | None = 0
    traceback: str | None = None

    @classmethod
    def of(cls, error: BaseException | None) -> Outcome:
        """The outcome that an exception leaving the training means; None is a good end."""
        if error is None or isinstance(error, GeneratorExit):
            return cls()
        if isinstance(error, KeyboardInterrupt):
            return cls("interrupted", "interrupted from the keyboard (Ctrl-C)", 130, _text(error))
        if isinstance(error, SystemExit):
            return cls.of_exit(error.code)
        return cls("failed", _in_short(error), 1, _text(error))

    @classmethod
    def of_exit(cls, code: Any) -> Outcome:
        """The outcome of `sys.exit(code)`."""
        if code in (None, 0):
            return cls()
        if isinstance(code, int):
            return cls("failed", f"exited with status {code}", code)
        return cls("failed", f"exited saying: {code}", 1)


PREEMPTED = Outcome("preempted", "stopped by SIGTERM", 143)


def _in_short(error: BaseException) -> str:
    """The line that names an exception, without the notes and further lines it may have."""
    told = traceback.TracebackException(type(error), error, None)
    told.__notes__ = None
    return list(told.format_exception_only())[-1].strip().partition("\n")[0]


def _text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


Ending = Literal["run", "process", "killed"]
"""What ends: the run alone, the process with it, or the process within seconds."""


class Open(Protocol):
    """What is ended with the process: a run."""

    def end(self, outcome: Outcome, *, ending: Ending = "run") -> None: ...
    def abandon(self) -> None: ...


_open: list[Open] = []
_outcome = Outcome()
_hooked = False
_sigterm_hooked = False
"""Only the main thread may; the first run may be another's."""


def remember(run: Open) -> None:
    """End `run` with the process, unless it is forgotten before."""
    _hook()
    _open.append(run)


def forget(run: Open) -> None:
    if run in _open:
        _open.remove(run)


def newest() -> Open | None:
    """The run opened last among those still open."""
    return _open[-1] if _open else None


def preempted() -> bool:
    """Whether SIGTERM came, whatever somebody else's handler made of it."""
    return _outcome is PREEMPTED


def _note(outcome: Outcome) -> None:
    global _outcome
    if not preempted():
        _outcome = outcome


def _hook() -> None:
    global _hooked
    if not _hooked:
        _hooked = True
        atexit.register(_end_all)
        os.register_at_fork(after_in_child=_in_child)
        _hook_exceptions()
        _hook_exit()
    if not _sigterm_hooked and threading.current_thread() is threading.main_thread():
        _hook_sigterm()


def _hook_exceptions() -> None:
    before = sys.excepthook

    def note(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        _note(Outcome.of(error))
        before(kind, error, trace)

    sys.excepthook = note


def _hook_exit() -> None:
    before = sys.exit

    def note(code: Any = None, /) -> None:
        if threading.current_thread() is threading.main_thread():
            _note(Outcome.of_exit(code))
        before(code)

    sys.exit = note  # type: ignore[assignment] - the only place a plain exit code can be seen


def _hook_sigterm() -> None:
    global _sigterm_hooked
    _sigterm_hooked = True
    before = signal.getsignal(signal.SIGTERM)
    if before == signal.SIG_IGN or before is None:
        return

    def note(number: int, frame: Any) -> None:
        _note(PREEMPTED)
        if callable(before):
            before(number, frame)
            return
        _end_all("killed")
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, note)


def _end_all(ending: Ending = "process") -> None:
    for run in list(_open):
        run.end(_outcome, ending=ending)


def _in_child() -> None:
    """A forked child has the run but not its writer thread: it must not write in the parent's name."""
    for run in list(_open):
        run.abandon()
    _open.clear()
