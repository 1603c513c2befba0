"""How a process ended, and what becomes of the runs it left open.

Hooked once, at the first `init`: `sys.excepthook` (a traceback), `sys.exit` (an exit code), SIGTERM and SIGHUP, under
Slurm SIGUSR1 too (preempted), and `atexit` (everything else). What was hooked before still runs; exceptions, exit codes
and signals reach everybody else unchanged. C code that crashes prints where (`faulthandler`).

A process whose loop comes to `run.checkpoint` often is not ended by the first such signal at once: its points and its
state are brought to the store, then the loop continues to its next checkpoint, or until the time is over.

A forked child is killed by these signals as if there were no hooks, until it logs something: then it is hooked as well.
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
"""What ends: the run alone, the process with it, or the process within seconds."""
_WAIT_S: dict[Ending, float] = {"run": 120.0, "process": 9.0, "killed": 5.0}
"""How long an end waits for the disk. A store that hangs must not keep a process alive, and the time one has left
after SIGTERM is not known: clusters give 5 to 30 s."""
_LEAST_WAIT_S = 0.5
_SAME_REQUEST_S = 1.0
"""Signals that follow each other faster are one request: many are sent to the process, and then to its whole group."""
_ONCE_MORE_S = 1.5
"""Half a second of it is left for the spool, where the store does not answer."""


class OpenRun(Protocol):
    """What is ended with the process: a run."""

    ends_as: RunOutcome | None
    """Outcome if nobody ends the run; None: that of the process."""
    is_idle: bool
    """Nothing is being run in the notebook, so that a signal does not change how the run ends."""

    def now(self) -> float: ...

    def called_at(self) -> float | None:
        """When the run was last used, in seconds since 1970, as `now`."""
        ...

    def end(self, outcome: RunOutcome, *, ending: Ending = "run", at_last_call: bool = False) -> None:
        """End the run; `at_last_call` dates its end back to the last call that used it."""
        ...

    @property
    def handle(self) -> object:
        """The object that the user has of the run."""
        ...

    def reset_after_fork(self) -> None: ...

    def awaited_s(self) -> float:
        """How long the process, told to go, may go on for the run's next checkpoint; 0 where none is expected."""
        ...

    def note_preemption(self) -> None:
        """Bring all there is to the store, and say there how it ends; the process goes on for a while."""
        ...


@dataclass
class _StopRequest:
    """A process that was told to go and goes on to its next checkpoint."""

    requested_at: float
    deadline: float
    is_over: bool = False
    """The next signal ends it."""


_open_runs: list[OpenRun] = []
_outcome = RunOutcome()
_stop_signal: signal.Signals | None = None
"""The signal that asked this process to go, whatever somebody else's handler made of it."""
_senders: Sequence[Sender] = ()
_end_started_at: dict[Ending, float] = {}
"""When the process began to end its runs."""
_finalized = 0
"""The process, a child of `multiprocessing`, that ends its runs by a finalizer."""
_stop_request: _StopRequest | None = None
_hooked = False
_signals_to_hook = [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1]
"""Signals yet to be hooked: only the main thread may, and the first run may be another's."""
_fatal_handlers: dict[signal.Signals, Any] = {}
"""Our handlers of the signals that would kill if there were none."""
_HELD_SIGNALS = frozenset(_signals_to_hook)
_is_forked = False


class _Masks(threading.local):
    def __init__(self) -> None:
        self.before_fork: list[set[int]] = []
        """The signals that were held back anyway."""


_masks = _Masks()


def register(run: OpenRun) -> None:
    """End `run` with the process, unless it is forgotten before."""
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
    """The signal that asked this process to go."""
    return _stop_signal


def preemption_outcome() -> RunOutcome | None:
    """The outcome that a signal to go means; None where none came."""
    return None if _stop_signal is None else RunOutcome.from_signal(_stop_signal, _senders)


def is_stopping() -> bool:
    """Whether the process was told to go and is to end at its next checkpoint."""
    return _stop_request is not None


def grace_left_s() -> float:
    """How long that may take yet."""
    return 0.0 if _stop_request is None else max(0.0, _stop_request.deadline - time.monotonic())


def send_stop_signal() -> None:
    """End the process as the signal does that asked for it. On another thread than the main one this returns."""
    if _stop_request is not None and _stop_signal is not None:
        _stop_request.is_over = True
        os.kill(os.getpid(), _stop_signal)


def set_senders(senders: Sequence[Sender]) -> None:
    """Note who sent the signals of the last seconds; to be called before `preemption_outcome` is."""
    global _senders
    _senders = senders


def is_successful() -> bool:
    """Whether nothing is known to have gone wrong with this process."""
    return _stop_signal is None and _outcome.exit_code == 0


def seconds_left(ending: Ending) -> float:
    """How long the end of a run may wait for the disk; what a process has for its end, all its runs share."""
    if ending == "run":
        return _WAIT_S["run"]
    return max(_LEAST_WAIT_S, _end_started_at.setdefault(ending, time.monotonic()) + _WAIT_S[ending] - time.monotonic())


def extend_deadline(ending: Ending, by_s: float) -> None:
    """Have what was waited for a checkpoint, which takes as long as it is large, not count."""
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
    # torch hooks a DataLoader's workers below Python, and takes a death of theirs by a signal for an error.
    if _signals_to_hook and is_main and distributed.data_loader_worker() is None:
        _hook_signals()


def _hook_crashes() -> None:
    if not faulthandler.is_enabled():
        with contextlib.suppress(Exception):  # stderr is closed, or no file: a notebook's
            faulthandler.enable(all_threads=False)  # ours would hide the user's


def _hook_exceptions() -> None:
    previous_hook = sys.excepthook

    def note(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not was_caught_at_prompt(error):
            _note(RunOutcome.from_exception(error))
        previous_hook(kind, error, trace)

    sys.excepthook = note


class _Exit(SystemExit):
    """What our `sys.exit` raises: it sees whether it ends the process, or somebody catches it."""

    outcome = RunOutcome()

    def __del__(self) -> None:
        # The interpreter drops the one that ends it with no Python code left to return to.
        if sys._getframe().f_back is not None and _outcome is self.outcome:
            _note(RunOutcome())


def _exit(code: Any, outcome: RunOutcome) -> _Exit:
    # Not in the frame that raises it: with that in its traceback it would hold itself, and not be dropped in time.
    error = _Exit() if code is None else _Exit(code)
    error.outcome = outcome
    return error


def _hook_exit() -> None:
    previous_exit = sys.exit
    is_pythons = getattr(previous_exit, "__self__", None) is sys

    def note(code: Any = None, /) -> None:
        if threading.current_thread() is not threading.main_thread():
            previous_exit(code)
        outcome = RunOutcome.from_exit_code(code)
        _note(outcome)
        if not is_pythons:
            previous_exit(code)
        raise _exit(code, outcome)

    sys.exit = note  # type: ignore[assignment] - the only place a plain exit code can be seen


def _hook_signals() -> None:
    while _signals_to_hook:
        number = _signals_to_hook.pop()
        # Anybody's own handler of the others reads its settings again, or so.
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
        _die(number)

    signal.signal(number, note)
    if previous_handler == signal.SIG_DFL:
        _fatal_handlers[number] = note


def _is_same_request() -> bool:
    """Whether a further signal asks for nothing new: the end is begun, or the first one came just now."""
    return _stop_request is None or not (
        _stop_request.is_over or time.monotonic() - _stop_request.requested_at > _SAME_REQUEST_S
    )


def _grant_grace() -> bool:
    """Whether the process goes on to its next checkpoint; all there is has then been brought to the store."""
    global _stop_request
    wait_s = max((run.awaited_s() for run in _open_runs), default=0.0)
    if not wait_s:
        return False
    now = time.monotonic()
    _stop_request = _StopRequest(now, now + wait_s)
    try:
        threading.Thread(target=_stop_after_grace, args=(_stop_request,), name="runfolio-leaves", daemon=True).start()
    except RuntimeError:  # no thread to be had
        return False
    for run in list(_open_runs):
        run.note_preemption()
    return True


def _stop_after_grace(request: _StopRequest) -> None:
    while (remaining_s := request.deadline - time.monotonic()) > 0 and not request.is_over:
        time.sleep(min(remaining_s, 1.0))
    if _stop_request is request:
        send_stop_signal()


def _die(number: signal.Signals) -> None:
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
        except KeyboardInterrupt:  # Ctrl-C once more: what is begun has one second more, and then none
            _end_started_at[ending] = time.monotonic() - _WAIT_S[ending] + _ONCE_MORE_S
            run.end(outcome, ending=ending, at_last_call=True)


@contextlib.contextmanager
def hold_signals() -> Iterator[None]:
    """Have the signals that end this process wait, as far as this thread would be told of them."""
    previous_mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous_mask)


def _before_fork() -> None:
    """Python drops a signal that comes while a child is made; and one that came a moment later would end the parent's
    run in it."""
    _masks.before_fork.append(signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_SIGNALS))


def _after_fork() -> None:
    if _masks.before_fork:  # else this was hooked while another thread forked
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before_fork.pop())


def _after_fork_in_child() -> None:
    """A forked child has the run, but none of its threads: it joins it as a process of its own."""
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
    """`multiprocessing.util`, in a child of `multiprocessing`."""
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    return util if process and process.parent_process() is not None else None


def _end_with_multiprocessing() -> None:
    """The children of `multiprocessing` do not end as Python does: they call their finalizers, then `os._exit`."""
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
