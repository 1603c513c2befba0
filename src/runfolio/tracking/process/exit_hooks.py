"""Hooks that end open runs when the process ends, and record the outcome of the process.

The first `init` hooks `sys.excepthook` (tracebacks), `sys.exit` (exit codes), `atexit` (any other end), SIGTERM and
SIGHUP. Under Slurm, it also hooks SIGUSR1 (preemption). Previous hooks still run, and exceptions, exit codes and
signals keep their effect. If C code crashes, `faulthandler` prints the Python traceback.

If the training script calls `run.checkpoint` often, the first of these signals does not end the process at once. The
points and the expected outcome are saved, and the process continues until its next checkpoint or the end of the grace
period.

In a forked child, these signals keep their default effect until the child logs something. Then they are hooked in the
child too.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any, Literal, Protocol

from runfolio.tracking.process import distributed, signal_wakeup
from runfolio.tracking.process.outcome import RunOutcome, was_caught_at_prompt
from runfolio.tracking.process.process_observer import Sender

Ending = Literal["run", "process", "killed"]
"""Reason for ending a run: only the run ends, the process ends, or a signal has announced that the process will be
killed."""
_WAIT_S: dict[Ending, float] = {"run": 120.0, "process": 9.0, "killed": 5.0}
"""Maximum wait for the disk when a run ends. A store that hangs must not keep a process alive. The time between SIGTERM
and SIGKILL is unknown, but clusters grant 5 to 30 s."""
_LEAST_WAIT_S = 0.5
_SAME_REQUEST_S = 1.0
"""Interval within which several signals count as one request. Senders often signal the process and then its whole
group."""
_ONCE_MORE_S = 1.5
"""Maximum wait after a second Ctrl-C. Half a second of this time is reserved in case the store does not respond. The
last points are then written to a file on a local disk (a spool)."""


class OpenRun(Protocol):
    """Run that ends with the process."""

    ends_as: RunOutcome | None
    """Outcome of a run that is not ended explicitly. If None, the end of the process determines the outcome."""
    is_idle: bool
    """True if no cell of the notebook is running. A signal then does not change the run's outcome."""

    def now(self) -> float: ...

    def called_at(self) -> float | None:
        """Return the time of the run's last use, in seconds since 1970, by the clock that `now` reads."""
        ...

    def end(self, outcome: RunOutcome, *, ending: Ending = "run", at_last_call: bool = False) -> None:
        """End the run. If `at_last_call` is True, the recorded end is the time of the last call that used the run."""
        ...

    @property
    def handle(self) -> object:
        """`Run` object that was returned to the user."""
        ...

    def reset_after_fork(self) -> None: ...

    def checkpoint_wait_s(self) -> float:
        """Return the maximum wait for a checkpoint after a request to stop, in seconds. The wait is 0 if no checkpoint
        is due."""
        ...

    def note_preemption(self) -> None:
        """Save the data and the expected outcome to the store, while the process continues to its next checkpoint."""
        ...


@dataclass
class _StopRequest:
    """Request to stop, which takes effect at the next checkpoint."""

    requested_at: float
    deadline: float
    is_over: bool = False
    """True if the next signal ends the process."""


_open_runs: list[OpenRun] = []
_outcome = RunOutcome()
_stop_signal: signal.Signals | None = None
"""Signal that asked this process to stop, even if another handler ignores it."""
_senders: Sequence[Sender] = ()
_end_started_at: dict[Ending, float] = {}
"""Time at which the process began to end its runs, keyed by the reason."""
_finalized = 0
"""Id of this process if it is a child of `multiprocessing` that ends its runs in a finalizer."""
_stop_request: _StopRequest | None = None
_hooked = False
_signals_to_hook = [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1]
"""Signals that are not hooked yet. Only the main thread can hook them, but any thread may open the first run."""
_fatal_handlers: dict[signal.Signals, Any] = {}
"""Installed handlers of signals that kill the process by default."""
_HELD_SIGNALS = frozenset(_signals_to_hook)
_is_forked = False


class _Masks(threading.local):
    def __init__(self) -> None:
        self.before_fork: list[set[int]] = []
        """Signals that were blocked before the fork."""


_masks = _Masks()


def register(run: OpenRun) -> None:
    """Register a run, which ends with the process unless it is unregistered earlier."""
    _hook()
    _end_with_multiprocessing()
    if run not in _open_runs:
        _open_runs.append(run)


def unregister(run: OpenRun) -> None:
    if run in _open_runs:
        _open_runs.remove(run)
    if is_stopping() and not _open_runs:
        send_stop_signal()


def open_runs() -> Sequence[OpenRun]:
    return tuple(_open_runs)


def stop_signal() -> int | None:
    """Return the signal that asked this process to stop."""
    return _stop_signal


def preemption_outcome() -> RunOutcome | None:
    """Return the outcome that the stop signal causes, or None if no such signal has arrived."""
    return None if _stop_signal is None else RunOutcome.from_signal(_stop_signal, _senders)


def is_stopping() -> bool:
    """Return whether the process was asked to stop and will end at its next checkpoint."""
    return _stop_request is not None


def grace_left_s() -> float:
    """Return the seconds left until the grace period ends."""
    return 0.0 if _stop_request is None else max(0.0, _stop_request.deadline - time.monotonic())


def send_stop_signal() -> None:
    """End the process with the signal that asked it to stop. Outside the main thread, this function returns before the
    process ends."""
    if _stop_request is not None and _stop_signal is not None:
        _stop_request.is_over = True
        os.kill(os.getpid(), _stop_signal)


def set_senders(senders: Sequence[Sender]) -> None:
    """Set the senders of the recent signals. Call this function before `preemption_outcome`."""
    global _senders
    _senders = senders


def is_successful() -> bool:
    """Return whether the process has no known failure."""
    return _stop_signal is None and _outcome.exit_code == 0


def seconds_left(ending: Ending) -> float:
    """Return the maximum time, in seconds, for which the end of a run may wait for the disk. All runs of an ending
    process share this time."""
    if ending == "run":
        return _WAIT_S["run"]
    return max(_LEAST_WAIT_S, _end_started_at.setdefault(ending, time.monotonic()) + _WAIT_S[ending] - time.monotonic())


def extend_deadline(ending: Ending, by_s: float) -> None:
    """Extend the deadline by the time spent on a checkpoint. A large checkpoint takes longer and must not use up the
    time for the points."""
    if ending in _end_started_at:
        _end_started_at[ending] += by_s


def _note(outcome: RunOutcome) -> None:
    global _outcome
    _outcome = outcome


def _hook() -> None:
    global _hooked
    if not _hooked:
        _hooked = True
        atexit.register(_end_all)
        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
        _hook_exceptions()
        _hook_exit()
        _hook_crashes()
    is_main = threading.current_thread() is threading.main_thread()
    # torch handles signals of DataLoader workers in C++, and reports an error if a signal kills a worker.
    if _signals_to_hook and is_main and distributed.data_loader_worker() is None:
        _hook_signals()


def _hook_crashes() -> None:
    if not faulthandler.is_enabled():
        with contextlib.suppress(Exception):  # stderr may be closed, or not a file, as in a notebook
            faulthandler.enable(all_threads=False)  # the tracebacks of runfolio's own threads do not help the user


def _hook_exceptions() -> None:
    previous_hook = sys.excepthook

    def note(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not was_caught_at_prompt(error):
            _note(RunOutcome.from_exception(error))
        previous_hook(kind, error, trace)

    sys.excepthook = note


class _Exit(SystemExit):
    """Exception that the replacement for `sys.exit` raises. If other code catches it, the recorded outcome is reset."""

    outcome = RunOutcome()

    def __del__(self) -> None:
        # If the exception ends the process, the interpreter deletes it when no Python frame is left.
        if sys._getframe().f_back is not None and _outcome is self.outcome:
            _note(RunOutcome())


def _exit(code: Any, outcome: RunOutcome) -> _Exit:
    # The exception is created in a separate function. In `note`, the traceback and the frame would refer to each other,
    # which would delay the deletion of the exception.
    error = _Exit() if code is None else _Exit(code)
    error.outcome = outcome
    return error


def _hook_exit() -> None:
    previous_exit = sys.exit
    is_builtin = getattr(previous_exit, "__self__", None) is sys

    def note(code: Any = None, /) -> None:
        if threading.current_thread() is not threading.main_thread():
            previous_exit(code)
        outcome = RunOutcome.from_exit_code(code)
        _note(outcome)
        if not is_builtin:
            previous_exit(code)
        raise _exit(code, outcome)

    sys.exit = note  # type: ignore[assignment] - an exit code is visible only here


def _hook_signals() -> None:
    while _signals_to_hook:
        number = _signals_to_hook.pop()
        # Existing handlers of the other signals often have a different purpose, such as reloading settings.
        is_free = signal.getsignal(number) == signal.SIG_DFL
        if number == signal.SIGTERM or (is_free and (number == signal.SIGHUP or "SLURM_JOB_ID" in os.environ)):
            _hook_signal(number)
    if _is_forked or _multiprocessing() is not None:
        signal_wakeup.start(_fatal_handlers, lambda: _stop_signal is not None)


def _hook_signal(number: signal.Signals) -> None:
    previous_handler = signal.getsignal(number)
    if previous_handler == signal.SIG_IGN or previous_handler is None:
        return

    def note(_: int, frame: Any) -> None:
        global _stop_signal
        is_repeated = _stop_signal is not None
        _stop_signal = _stop_signal or number
        if callable(previous_handler):
            previous_handler(number, frame)
            return
        if _is_same_request() if is_repeated else _grant_grace():
            return
        _end_by_signal(number)

    signal.signal(number, note)
    if previous_handler == signal.SIG_DFL:
        _fatal_handlers[number] = note


def _is_same_request() -> bool:
    """Return whether another signal only repeats the request to stop. This is true if the process is already ending, or
    if the first signal has just arrived.
    """
    return _stop_request is None or not (
        _stop_request.is_over or time.monotonic() - _stop_request.requested_at > _SAME_REQUEST_S
    )


def _grant_grace() -> bool:
    """Save all data and return True if the process may continue to its next checkpoint. Otherwise return False."""
    global _stop_request
    wait_s = max((run.checkpoint_wait_s() for run in _open_runs), default=0.0)
    if not wait_s:
        return False
    now = time.monotonic()
    _stop_request = _StopRequest(now, now + wait_s)
    try:
        threading.Thread(target=_stop_after_grace, args=(_stop_request,), name="runfolio-grace", daemon=True).start()
    except RuntimeError:  # no thread can be started
        return False
    for run in list(_open_runs):
        run.note_preemption()
    return True


def _stop_after_grace(request: _StopRequest) -> None:
    while (remaining_s := request.deadline - time.monotonic()) > 0 and not request.is_over:
        time.sleep(min(remaining_s, 1.0))
    if _stop_request is request:
        send_stop_signal()


def _end_by_signal(number: signal.Signals) -> None:
    global _stop_request
    _stop_request = None
    _end_all("killed")
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _end_all(ending: Ending = "process") -> None:
    _end_started_at.setdefault(ending, time.monotonic())
    outcome = _outcome.with_last_error()
    for run in list(_open_runs):
        try:
            run.end(outcome, ending=ending, at_last_call=True)
        except KeyboardInterrupt:  # after a second Ctrl-C, about one second remains
            _end_started_at[ending] = time.monotonic() - _WAIT_S[ending] + _ONCE_MORE_S
            run.end(outcome, ending=ending, at_last_call=True)


@contextlib.contextmanager
def hold_signals() -> Iterator[None]:
    """Block the signals that end the process, in this thread only."""
    previous_mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous_mask)


def _before_fork() -> None:
    """Block the signals that end the process, before a fork. Python drops a signal that arrives during a fork.

    A signal that arrives right after the fork would end the run in the child.
    """
    _masks.before_fork.append(signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_SIGNALS))


def _after_fork() -> None:
    if _masks.before_fork:  # the list is empty if the hook was registered during a fork
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before_fork.pop())


def _after_fork_in_child() -> None:
    """Reset a forked child. The child inherits the run without its threads, and joins the run as a separate process."""
    global _outcome, _stop_signal, _is_forked, _stop_request
    _outcome, _stop_signal, _is_forked, _stop_request = RunOutcome(), None, True, None
    try:
        for run in _open_runs:
            run.reset_after_fork()
        _end_started_at.clear()
        signal_wakeup.stop()
        _unhook_signals()
    finally:
        _after_fork()


def _unhook_signals() -> None:
    for number, handler in _fatal_handlers.items():
        if signal.getsignal(number) == handler:
            signal.signal(number, signal.SIG_DFL)
            _signals_to_hook.append(number)
    _fatal_handlers.clear()


def _multiprocessing() -> ModuleType | None:
    """Return `multiprocessing.util` in a child of `multiprocessing`, or None in any other process."""
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    return util if process and process.parent_process() is not None else None


def _end_with_multiprocessing() -> None:
    """Register a finalizer in a child of `multiprocessing`. Such a child calls its finalizers and then `os._exit`,
    which skips `atexit`."""
    global _finalized
    util = _multiprocessing()
    if util is not None and _finalized != os.getpid():
        _finalized = os.getpid()
        util.Finalize(None, _end_child, exitpriority=100)


def _end_child() -> None:
    error = sys.exception()
    if error is not None:
        _note(RunOutcome.from_exception(error))
    _end_all()
