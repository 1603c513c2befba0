"""How a process ended, and what becomes of the runs it left open.

Hooked once, at the first `init`: `sys.excepthook` (a traceback), `sys.exit` (an exit code), SIGTERM and SIGHUP, under
Slurm SIGUSR1 too (preempted), and `atexit` (everything else). What was hooked before still runs; exceptions, exit codes
and signals reach everybody else unchanged. C code that crashes prints where (`faulthandler`).

A process whose loop comes to `run.checkpoint` often is not ended by the first such signal at once: its points and its
state are brought to the store, then the loop goes on to its next checkpoint (`leave`), or until the time is over.

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
from runfolio.tracking.process.outcome import Outcome
from runfolio.tracking.process.process_observer import Sender

Ending = Literal["run", "process", "killed"]
"""What ends: the run alone, the process with it, or the process within seconds."""
_WAIT_S: dict[Ending, float] = {"run": 120.0, "process": 9.0, "killed": 5.0}
"""How long an end waits for the disk. A store that hangs must not keep a process alive, and the time one has left
after SIGTERM is not known: clusters give 5 to 30 s."""
_LEAST_WAIT_S = 0.5
_SAME_S = 1.0
"""Signals that follow each other faster are one request: many are sent to the process, and then to its whole group."""
_ONCE_MORE_S = 1.5
"""Half a second of it is left for the spool, where the store does not answer."""


class Open(Protocol):
    """What is ended with the process: a run."""

    def end(self, outcome: Outcome, *, ending: Ending = "run") -> None: ...

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
class _Leaving:
    """A process that was told to go and goes on to its next checkpoint."""

    begun: float
    until: float
    is_over: bool = False
    """The next signal ends it."""


_open: list[Open] = []
_outcome = Outcome()
_stopped_by: signal.Signals | None = None
"""The signal that asked this process to go, whatever somebody else's handler made of it."""
_senders: Sequence[Sender] = ()
_end_begun: dict[Ending, float] = {}
"""When the process began to end its runs."""
_finalized = 0
"""The process, a child of `multiprocessing`, that ends its runs by a finalizer."""
_leaving: _Leaving | None = None
_hooked = False
_unhooked = [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1]
"""Signals yet to be hooked: only the main thread may, and the first run may be another's."""
_deadly: dict[signal.Signals, Any] = {}
"""Our handlers of the signals that would kill if there were none."""
_HELD_BACK = frozenset(_unhooked)
_is_forked = False


class _Masks(threading.local):
    def __init__(self) -> None:
        self.before_fork: list[set[int]] = []
        """The signals that were held back anyway."""


_masks = _Masks()


def remember(run: Open) -> None:
    """End `run` with the process, unless it is forgotten before."""
    _hook()
    _end_with_multiprocessing()
    if run not in _open:
        _open.append(run)


def forget(run: Open) -> None:
    if run in _open:
        _open.remove(run)
    if is_leaving() and not _open:
        leave()


def still_open() -> Sequence[Open]:
    return tuple(_open)


def newest() -> Open | None:
    """The run opened last among those still open."""
    return _open[-1] if _open else None


def stopped_by() -> int | None:
    """The signal that asked this process to go."""
    return _stopped_by


def preemption() -> Outcome | None:
    """The outcome that a signal to go means; None where none came."""
    return None if _stopped_by is None else Outcome.of_signal(_stopped_by, _senders)


def is_leaving() -> bool:
    """Whether the process was told to go and is to end at its next checkpoint."""
    return _leaving is not None


def grace_left_s() -> float:
    """How long that may take yet."""
    return 0.0 if _leaving is None else max(0.0, _leaving.until - time.monotonic())


def leave() -> None:
    """End the process as the signal does that asked for it. On another thread than the main one this returns."""
    if _leaving is not None and _stopped_by is not None:
        _leaving.is_over = True
        os.kill(os.getpid(), _stopped_by)


def heard_of(senders: Sequence[Sender]) -> None:
    """Note who sent the signals of the last seconds; to be called before `preemption` is."""
    global _senders
    _senders = senders


def ends_well() -> bool:
    """Whether nothing is known to have gone wrong with this process."""
    return _stopped_by is None and _outcome.exit_code == 0


def seconds_left(ending: Ending) -> float:
    """How long the end of a run may wait for the disk; what a process has for its end, all its runs share."""
    if ending == "run":
        return _WAIT_S["run"]
    return max(_LEAST_WAIT_S, _end_begun.setdefault(ending, time.monotonic()) + _WAIT_S[ending] - time.monotonic())


def extend(ending: Ending, by_s: float) -> None:
    """Have what was waited for a checkpoint, which takes as long as it is large, not count."""
    if ending in _end_begun:
        _end_begun[ending] += by_s


def _note(outcome: Outcome) -> None:
    global _outcome
    _outcome = outcome


def _hook() -> None:
    global _hooked
    if not _hooked:
        _hooked = True
        atexit.register(_end_all)
        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
        _hook_exceptions()
        _hook_exit()
        _hook_crashes()
    is_main = threading.current_thread() is threading.main_thread()
    # torch hooks a DataLoader's workers below Python, and takes a death of theirs by a signal for an error.
    if _unhooked and is_main and distributed.data_loader_worker() is None:
        _hook_signals()


def _hook_crashes() -> None:
    if not faulthandler.is_enabled():
        with contextlib.suppress(Exception):  # stderr is closed, or no file: a notebook's
            faulthandler.enable(all_threads=False)  # ours would hide the user's


def _hook_exceptions() -> None:
    before = sys.excepthook

    def note(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        _note(Outcome.of(error))
        before(kind, error, trace)

    sys.excepthook = note


class _Exit(SystemExit):
    """What our `sys.exit` raises: it sees whether it ends the process, or somebody catches it."""

    outcome = Outcome()

    def __del__(self) -> None:
        # The interpreter drops the one that ends it with no Python code left to return to.
        if sys._getframe().f_back is not None and _outcome is self.outcome:
            _note(Outcome())


def _exit(code: Any, outcome: Outcome) -> _Exit:
    # Not in the frame that raises it: with that in its traceback it would hold itself, and not be dropped in time.
    error = _Exit() if code is None else _Exit(code)
    error.outcome = outcome
    return error


def _hook_exit() -> None:
    before = sys.exit
    is_pythons = getattr(before, "__self__", None) is sys

    def note(code: Any = None, /) -> None:
        if threading.current_thread() is not threading.main_thread():
            before(code)
        outcome = Outcome.of_exit(code)
        _note(outcome)
        if not is_pythons:
            before(code)
        raise _exit(code, outcome)

    sys.exit = note  # type: ignore[assignment] - the only place a plain exit code can be seen


def _hook_signals() -> None:
    while _unhooked:
        number = _unhooked.pop()
        # Anybody's own handler of the others reads its settings again, or so.
        is_free = signal.getsignal(number) == signal.SIG_DFL
        if number == signal.SIGTERM or (is_free and (number == signal.SIGHUP or "SLURM_JOB_ID" in os.environ)):
            _hook_signal(number)
    if _is_forked or _multiprocessing() is not None:
        signal_wakeup.begin(_deadly, lambda: _stopped_by is not None)


def _hook_signal(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    if before == signal.SIG_IGN or before is None:
        return

    def note(_: int, frame: Any) -> None:
        global _stopped_by
        on_the_way = _stopped_by is not None
        _stopped_by = _stopped_by or number
        if callable(before):
            before(number, frame)
            return
        if _is_the_same() if on_the_way else _stay():
            return
        _die(number)

    signal.signal(number, note)
    if before == signal.SIG_DFL:
        _deadly[number] = note


def _is_the_same() -> bool:
    """Whether a further signal asks for nothing new: the end is begun, or the first one came just now."""
    return _leaving is None or not (_leaving.is_over or time.monotonic() - _leaving.begun > _SAME_S)


def _stay() -> bool:
    """Whether the process goes on to its next checkpoint; all there is has then been brought to the store."""
    global _leaving
    wait_s = max((run.awaited_s() for run in _open), default=0.0)
    if not wait_s:
        return False
    now = time.monotonic()
    _leaving = _Leaving(now, now + wait_s)
    try:
        threading.Thread(target=_leave_at_last, args=(_leaving,), name="runfolio-leaves", daemon=True).start()
    except RuntimeError:  # no thread to be had
        return False
    for run in list(_open):
        run.note_preemption()
    return True


def _leave_at_last(leaving: _Leaving) -> None:
    while (left := leaving.until - time.monotonic()) > 0 and not leaving.is_over:
        time.sleep(min(left, 1.0))
    if _leaving is leaving:
        leave()


def _die(number: signal.Signals) -> None:
    global _leaving
    _leaving = None
    _end_all("killed")
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _end_all(ending: Ending = "process") -> None:
    _end_begun.setdefault(ending, time.monotonic())
    for run in list(_open):
        try:
            run.end(_outcome, ending=ending)
        except KeyboardInterrupt:  # Ctrl-C once more: what is begun has one second more, and then none
            _end_begun[ending] = time.monotonic() - _WAIT_S[ending] + _ONCE_MORE_S
            run.end(_outcome, ending=ending)


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """Have the signals that end this process wait, as far as this thread would be told of them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _before_fork() -> None:
    """Python drops a signal that comes while a child is made; and one that came a moment later would end the parent's
    run in it."""
    _masks.before_fork.append(signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK))


def _after_fork() -> None:
    if _masks.before_fork:  # else this was hooked while another thread forked
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before_fork.pop())


def _in_child() -> None:
    """A forked child has the run, but none of its threads: it joins it as a process of its own."""
    global _outcome, _stopped_by, _is_forked, _leaving
    _outcome, _stopped_by, _is_forked, _leaving = Outcome(), None, True, None
    try:
        for run in _open:
            run.reset_after_fork()
        _end_begun.clear()
        signal_wakeup.forget()
        _unhook_signals()
    finally:
        _after_fork()


def _unhook_signals() -> None:
    for number, handler in _deadly.items():
        if signal.getsignal(number) == handler:
            signal.signal(number, signal.SIG_DFL)
            _unhooked.append(number)
    _deadly.clear()


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
        _note(Outcome.of(error))
    _end_all()
