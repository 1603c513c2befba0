"""The console of a run: what the process, its C code and its children print, recorded while the terminal shows it.

Descriptors 1 and 2 are led through a pseudo-terminal where they were a terminal (so that bars and colours stay), and
through a pipe where they were anything else, to a helper process (`relay`) that passes everything on and writes the
log. What the cells of a notebook print goes past these descriptors; it is copied into the log. The helper is started
beside the training and never waited for, but at the end.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runfolio.tracking.console.cell_output import CellOutput
from runfolio.tracking.monitors.monitor import MonitoredRun
from runfolio.tracking.process import exit_hooks, subprocesses
from runfolio.tracking.process.process_observer import OomKills, Sender

log = logging.getLogger("runfolio")
_END_WAIT_S: dict[exit_hooks.Ending, float] = {"run": 2.0, "process": 2.0, "killed": 1.0}
_NOT_HELD_BACK = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT}
_READ_BYTES = 65536
_ADDED_CHARACTERS = 4000
"""Of a line that is added to a log: a message of more than `_READ_BYTES` does not arrive."""
_Identity = tuple[int, int, int]


class Console:
    """Records the console of one run."""

    def __init__(self) -> None:
        # Seen before anything of the run is opened: where a stream is closed, a file of ours could get its number.
        self._open = [
            number for number, stream in ((1, sys.__stdout__), (2, sys.__stderr__)) if stream and _is_open(number)
        ]
        self._run = ("", "")
        self._tee: StreamTee | None = None

    def start(self, run: MonitoredRun) -> None:
        """Raises:
        OSError: There is no helper process, or nothing to be redirected.
        """
        self._run = (os.fspath(run.folder), run.writer)
        with StreamTee.changing:
            self._tee = StreamTee.of_this_process(self._open)
            self._tee.attach(self._run)
        run.add_console_lines = self._add_lines

    def stop(self, ending: exit_hooks.Ending) -> None:
        if self._tee is not None:
            self._tee.detach(self._run, ending)

    def _add_lines(self, text: str) -> None:
        if self._tee is not None:
            self._tee.add_lines(self._run, text)


@dataclass(eq=False)
class _Stream:
    """One place that output goes to, and the detour to it. All are descriptors of this process."""

    replaced: list[int]
    """1, 2, or both where they are the same place: then one detour keeps their order."""
    original: int
    entrance: int
    """What stands in for the original: the write end of a pipe, or the slave of a pseudo-terminal."""
    exit: int
    """The read end. Kept open here too, so that a helper that dies takes no printing process with it (SIGPIPE)."""

    def redirect(self) -> None:
        for descriptor in self.replaced:
            os.dup2(self.entrance, descriptor)

    def restore(self) -> None:
        """Undo `redirect`, where nobody else has led the descriptor elsewhere since."""
        for descriptor in self.replaced:
            with contextlib.suppress(OSError):
                if _identity(descriptor) == _identity(self.entrance):
                    os.dup2(self.original, descriptor)

    def still_fits(self) -> bool:
        identities = (_identity(self.original), _identity(self.entrance))
        return all(_identity(descriptor) in identities for descriptor in self.replaced)

    def close(self) -> None:
        for descriptor in (self.original, self.entrance, self.exit):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def mark(self, mark: bytes, deadline: float) -> None:
        """Print a mark, unless the detour is full to the brim."""
        poll = select.poll()
        poll.register(self.entrance, select.POLLOUT)
        if poll.poll(max(0.0, 1000 * (deadline - time.monotonic()))):
            os.write(self.entrance, mark)

    def pass_on(self, *, to_the_end: bool) -> None:
        """Be the helper, without a log: for what it left, or for children that still print until none does."""
        os.set_blocking(self.exit, to_the_end)
        with contextlib.suppress(OSError):  # nothing more for now, too
            while data := os.read(self.exit, _READ_BYTES):
                while data:
                    data = data[os.write(self.original, data) :]

    def pass_on_and_close(self) -> None:
        self.pass_on(to_the_end=True)
        self.close()


@dataclass(eq=False)
class _CellStream(_Stream):
    """The output of a notebook's cells: copied into the log, and not passed on."""

    def __post_init__(self) -> None:
        self._output = CellOutput(self.entrance)

    def redirect(self) -> None:
        self._output.start()

    def restore(self) -> None:
        self._output.stop()

    def close(self) -> None:
        self.restore()
        self._output.descriptor = None
        super().close()


class StreamTee:
    """This process's streams, led through a helper process while any run records them."""

    changing = threading.RLock()
    """Held while the streams are led elsewhere: runs start and end in several threads at once."""
    _current: StreamTee | None = None

    def __init__(self, open_: list[int]) -> None:
        self._streams: list[_Stream] = []
        self._attached: list[tuple[str, str]] = []
        self._requests = self._answered = 0
        self._ended = False
        """The helper has."""
        try:
            self._streams = list(_streams(open_))
            if not self._streams:
                raise OSError("stdout and stderr are closed")
            own_end, helper_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._control = socket.socket(fileno=_high(own_end.detach()))
            self._helper = _start_helper(_high(helper_end.detach()), self._streams)
            threading.Thread(target=self._listen, name="runfolio-console", daemon=True).start()
        except (OSError, RuntimeError):
            self._close()
            raise

    @classmethod
    def of_this_process(cls, open_: list[int]) -> StreamTee:
        """The one there is, or a new one where there is none that still works.

        Args:
            open_: Which of the descriptors 1 and 2 are stdout and stderr.
        Raises:
            OSError: No process, pipe or terminal is to be had.
            RuntimeError: No thread is.
        """
        tee = cls._current
        if tee is not None and not tee._ended and all(stream.still_fits() for stream in tee._streams):
            return tee
        if tee is not None and not tee._attached:
            tee._retire()
        cls._current = tee = cls(open_)
        return tee

    def attach(self, run: tuple[str, str]) -> None:
        """Record into a run from now on."""
        self._send({"do": "attach", "folder": run[0], "writer": run[1]})
        if not self._attached:
            _flush()
            for stream in self._streams:
                stream.redirect()
        self._attached.append(run)

    def add_lines(self, run: tuple[str, str], text: str) -> None:
        """Add lines to a run's log alone."""
        for line in text.splitlines():
            self._send({"do": "add", "folder": run[0], "writer": run[1], "line": line[:_ADDED_CHARACTERS]})

    def detach(self, run: tuple[str, str], ending: exit_hooks.Ending) -> None:
        """Complete a run's log; with the last one, lead the streams back to where they went."""
        if run not in self._attached:
            return
        _flush()
        deadline = time.monotonic() + _END_WAIT_S[ending]
        if not self._ended:
            self._ask_to_detach(run, ending, deadline)
        with StreamTee.changing:
            self._attached.remove(run)
            if not self._attached:
                for stream in self._streams:
                    stream.restore()
                if StreamTee._current is not self:  # the streams were led elsewhere, and another took its place
                    self._retire()

    def forget_in_child(self) -> None:
        """A forked child prints into the detour, but has nothing to say to the helper."""
        StreamTee._current = None
        StreamTee.changing = threading.RLock()
        self._close()

    def _ask_to_detach(self, run: tuple[str, str], ending: exit_hooks.Ending, deadline: float) -> None:
        mark = f"\x1b_runfolio {secrets.token_hex(8)}\x1b\\"
        self._requests = number = self._requests + 1
        self._send(
            {
                "do": "detach",
                "folder": run[0],
                "writer": run[1],
                "number": number,
                "mark": mark,
                "signal": exit_hooks.stop_signal(),
                "watch": ending == "process" and exit_hooks.is_successful(),
            }
        )
        for stream in self._streams:
            with contextlib.suppress(OSError):
                stream.mark(mark.encode(), deadline)
        # As in the writer: neither a lock nor a join survives being interrupted by somebody who waits for the same.
        while self._answered < number and not self._ended and time.monotonic() < deadline:
            time.sleep(0.001)

    def _send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the helper has ended; `_listen` sees it
            self._control.send(json.dumps(message).encode(), socket.MSG_NOSIGNAL)

    def _listen(self) -> None:
        """Take the helper's answers, and its place where it dies; on a thread of its own."""
        self._helper.wait()  # it goes on as a grandchild
        while packet := self._packet():
            answer = json.loads(packet)
            if "broken" in answer:
                self._let_go(answer["broken"])
            else:
                exit_hooks.set_senders([Sender(**sender) for sender in answer["senders"]])
                self._answered = max(self._answered, answer["ack"])
        self._ended = True
        for stream in self._streams:
            stream.pass_on(to_the_end=False)  # before anything that is printed past it
            stream.restore()
            os.close(stream.entrance)
            stream.entrance = -1  # its number may be somebody else's from now on
        if self._attached:
            log.warning("the console is no longer recorded: its helper process ended; training goes on")
        self._control.close()
        for stream in self._streams[1:]:
            threading.Thread(target=stream.pass_on_and_close, daemon=True).start()
        if self._streams:
            self._streams[0].pass_on_and_close()

    def _retire(self) -> None:
        """Let the helper go; `_listen` tidies up."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)

    def _packet(self) -> bytes:
        try:
            return self._control.recv(_READ_BYTES)
        except OSError:
            return b""

    def _let_go(self, exit_: int) -> None:
        """Nobody reads this stream any more; what prints must learn that from the descriptor itself."""
        for stream in [stream for stream in self._streams if stream.exit == exit_]:
            stream.restore()
            self._streams = [other for other in self._streams if other is not stream]
            stream.close()

    def _close(self) -> None:
        for stream in self._streams:
            stream.close()
        self._streams = []
        with contextlib.suppress(AttributeError):
            self._control.close()


def _streams(open_: list[int]) -> Iterator[_Stream]:
    """A detour for each place that these descriptors lead to."""
    descriptors: dict[_Identity, list[int]] = {}
    for descriptor in open_:
        descriptors.setdefault(_identity(descriptor), []).append(descriptor)
    for replaced in descriptors.values():
        original = _high(os.dup(replaced[0]))
        entrance, exit_ = _terminal_like(original) if os.isatty(original) else reversed(os.pipe())
        yield _Stream(replaced, original, _high(entrance), _high(exit_))
    if CellOutput.exists():
        exit_, entrance = os.pipe()
        yield _CellStream([], _high(os.open(os.devnull, os.O_WRONLY)), _high(entrance), _high(exit_))


def _terminal_like(original: int) -> tuple[int, int]:
    """A pseudo-terminal as wide and high as the real one, which alone translates what is printed."""
    master, slave = os.openpty()
    tty.setraw(slave)
    with contextlib.suppress(OSError):
        fcntl.ioctl(slave, termios.TIOCSWINSZ, fcntl.ioctl(original, termios.TIOCGWINSZ, bytes(8)))
    return slave, master


def _start_helper(control: int, streams: list[_Stream]) -> subprocess.Popen[str]:
    """Raises:
    OSError: No process is to be had.
    """
    shared = [control, *(number for stream in streams for number in (stream.exit, stream.original))]
    mine = [control]
    with contextlib.suppress(OSError):  # an old kernel; asked for here, since the helper may come too late for it
        mine.append(_high(os.pidfd_open(os.getpid())))
        shared.append(mine[-1])
    pidfd = str(mine[1]) if len(mine) > 1 else "-"
    # Counted from here: memory may run out before the helper has come up.
    oom = str(OomKills.of_this_process() or "-")
    pairs = [f"{stream.exit}:{stream.original}" for stream in streams]
    # Signals that are blocked while it starts stay blocked in it: Ctrl-C must not stop it before it can say so.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _NOT_HELD_BACK)
    try:
        return subprocesses.start(
            # -P: a module of the user's that is called like one of Python's is not meant.
            [
                sys.executable,
                "-P",
                "-m",
                "runfolio.tracking.console.helper_program",
                str(control),
                str(os.getpid()),
                pidfd,
                oom,
                *pairs,
            ],
            pass_fds=shared,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number in mine:
            os.close(number)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _identity(descriptor: int) -> _Identity:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino, status.st_rdev


def _high(descriptor: int) -> int:
    """The same with a number above stderr's: where those are closed, new descriptors get their numbers."""
    if descriptor > 2:
        return descriptor
    higher = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return higher


def _flush() -> None:
    """Hand on what Python still holds; the streams may be anything, closed, or in the middle of a write."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _in_child() -> None:
    if StreamTee._current is not None:
        StreamTee._current.forget_in_child()


os.register_at_fork(after_in_child=_in_child)
