"""Outcome of a run, as stored in the status of its record: state, cause in one word, and reason in one sentence."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runfolio.record.base.run_document import State
from runfolio.tracking.process.process_observer import Sender

_NO_MEMORY = re.compile(
    r"DefaultCPUAllocator: (can't allocate|not enough) memory|std::bad_alloc|Cannot allocate memory"
)
_NO_GPU_MEMORY = re.compile(r"(CUDA|HIP|XPU|MPS)( error:|backend)? out of memory|(CUBLAS|CUDNN)_STATUS_ALLOC_FAILED")
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded")
_LONGEST_CHAIN = 20
_AT_LIMIT_S = 5.0


@dataclass(frozen=True)
class RunOutcome:
    """Outcome of a run. It has the same fields as the status in the run's record."""

    state: State = "finished"
    reason: str | None = None
    exit_code: int | None = 0
    traceback: str | None = None
    cause: str | None = None

    @classmethod
    def from_exception(cls, error: BaseException | None) -> RunOutcome:
        """Return the outcome of a run that an exception has ended. If `error` is None, the run succeeded."""
        if error is None or isinstance(error, GeneratorExit):
            return cls()
        if isinstance(error, SystemExit):
            return cls.from_exit_code(error.code)
        try:
            if isinstance(error, KeyboardInterrupt):
                return cls("interrupted", "interrupted from the keyboard (Ctrl-C)", 130, _text(error), "interrupt")
            return cls("failed", _first_line(error), 1, _text(error), cause_of(error))
        except MemoryError:  # there may be too little memory for the description
            return cls("failed", type(error).__name__, 1, None, "out-of-memory")

    @classmethod
    def from_exit_code(cls, code: Any) -> RunOutcome:
        """Return the outcome of `sys.exit(code)`."""
        if code in (None, 0):
            return cls()
        if isinstance(code, int):
            return cls("failed", f"exited with status {code}", code, cause="exit")
        return cls("failed", f"exited with message: {_message(code)}", 1, cause="exit")

    def with_last_error(self) -> RunOutcome:
        """Return the outcome of the exception in `sys.last_value` if that exception ended the process. Otherwise return
        this outcome.

        IPython and pytest catch the exception of a script and store it in `sys.last_value`. The exception counts only
        if the process exits with an error or for an unknown reason. The exception is ignored in an interactive session,
        or if an earlier interactive session caught it.
        """
        error = getattr(sys, "last_value", None)
        is_unknown = self == RunOutcome() and not hasattr(sys, "ps1")
        if isinstance(error, Exception) and not was_caught_at_prompt(error) and (self.cause == "exit" or is_unknown):
            return replace(RunOutcome.from_exception(error), exit_code=self.exit_code or 1)
        return self

    @classmethod
    def from_signal(cls, number: signal.Signals, senders: Sequence[Sender]) -> RunOutcome:
        """Return the outcome of a process that a signal asks to stop."""
        reason = f"stopped by {number.name}{_describe_origin(number, senders)}"
        return cls("preempted", reason, 128 + number, cause=number.name.lower())


def was_caught_at_prompt(error: BaseException) -> bool:
    """Return whether an exception was raised by code that a user typed at a prompt inside a program.

    The program continues after such an exception.

    `code.interact` passes the exception to `sys.excepthook`, as if it ended the process. With `IPython.embed`, the
    shell has ended by then, so a cell counts as code typed at a prompt. In IPython itself, the cells are the program.
    """
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    if "<console>" in files:
        return True
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is None and any(name.startswith("<ipython-input-") for name in files)


def cause_of(error: BaseException) -> str:
    """Return the cause of an exception in one word: lack of memory, a full disk, or "exception". Exceptions that caused
    this exception are searched too."""
    for link in _chain(error):
        message = _message(link)
        if _NO_GPU_MEMORY.search(message) or any(kind.__name__ == "OutOfMemoryError" for kind in type(link).__mro__):
            return "cuda-out-of-memory"
        if isinstance(link, MemoryError) or _NO_MEMORY.search(message) or _errno(link) == errno.ENOMEM:
            return "out-of-memory"
        if _NO_SPACE.search(message) or _errno(link) in (errno.ENOSPC, errno.EDQUOT):
            return "disk-full"
    return "exception"


def _message(value: object) -> str:
    try:
        return str(value)
    except Exception:  # the object's `__str__` may raise any error
        return type(value).__name__


def _errno(error: BaseException) -> int | None:
    return error.errno if isinstance(error, OSError) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if link is None:
            return
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _describe_origin(number: signal.Signals, senders: Sequence[Sender]) -> str:
    """Describe the sender of a signal, and the Slurm job or Kubernetes pod of this process, if they are known."""
    return _describe_sender(number, senders) + _describe_scheduler(os.environ, time.time())


def _describe_sender(number: signal.Signals, senders: Sequence[Sender]) -> str:
    sender = next((sender for sender in reversed(senders) if sender.signal == number), None)
    if sender is None:
        return ", sent by `timeout`" if _parent_name() == "timeout" else ""
    if sender.pid == 0:
        return ": its terminal was closed" if number == signal.SIGHUP else " from outside this container"
    if sender.pid == os.getpid():
        return " from itself"
    details = [f"process {sender.pid}", *([f"user {sender.user}"] if sender.user else [])]
    return f" from {sender.name or 'a process that is gone'} ({', '.join(details)})"


def _describe_scheduler(environment: Mapping[str, str], now: float) -> str:
    if job := environment.get("SLURM_JOB_ID"):
        end = environment.get("SLURM_JOB_END_TIME", "")
        at_limit = end.isdigit() and now >= int(end) - _AT_LIMIT_S
        return f", in Slurm job {job}" + (" at its time limit" if at_limit else "")
    return ", in a Kubernetes pod" if "KUBERNETES_SERVICE_HOST" in environment else ""


def _parent_name() -> str | None:
    try:
        return Path(f"/proc/{os.getppid()}/comm").read_text(errors="replace").strip()
    except OSError:
        return None


def _first_line(error: BaseException) -> str:
    """Return the class of an exception and the first line of its message, without notes."""
    summary = traceback.TracebackException(type(error), error, None)
    summary.__notes__ = None
    return list(summary.format_exception_only())[-1].strip().partition("\n")[0]


def _text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
