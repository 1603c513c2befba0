"""Monitor that records the console output of a process, including the output of C code and child processes.

File descriptors 1 and 2 are redirected to a helper process (`helper_program`), which forwards the output and writes the
log. A descriptor that is a terminal is replaced with a pseudo-terminal, because many programs print progress bars and
colours only to a terminal. Any other descriptor is replaced with a pipe. Notebook cells do not print to these
descriptors, so their output is copied into the log. Training waits for the helper process only at the end of the run.
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
"""Maximum length of a line that is added to a log. The helper process would lose a request of more than `_READ_BYTES`
bytes."""
_Identity = tuple[int, int, int]


class Console:
    """Monitor that records the console output of one run."""

    def __init__(self) -> None:
        # The streams are checked before the run opens any file, because a new file could get the number of a closed
        # stream.
        self._open = [
            number for number, stream in ((1, sys.__stdout__), (2, sys.__stderr__)) if stream and _is_open(number)
        ]
        self._run = ("", "")
        self._tee: StreamTee | None = None

    def start(self, run: MonitoredRun) -> None:
        """Start recording.

        Raises:
            OSError: The helper process cannot be started, or stdout and stderr are closed.
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
    """Redirection of the file descriptors that write to one destination."""

    replaced: list[int]
    """Descriptor 1, descriptor 2, or both if they share a destination. A single redirection for both preserves the
    order of the output."""
    original: int
    entrance: int
    """Descriptor that replaces the original descriptor: the write end of a pipe, or the slave of a pseudo-terminal."""
    exit: int
    """Read end of the pipe, or master of the pseudo-terminal. It stays open in this process, so that printing does not
    raise SIGPIPE if the helper dies."""

    def redirect(self) -> None:
        for descriptor in self.replaced:
            os.dup2(self.entrance, descriptor)

    def restore(self) -> None:
        """Undo `redirect`, unless other code has redirected the descriptor in the meantime."""
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
        """Write a marker into the stream, which shows the helper that all earlier output has arrived. Do nothing if the
        pipe stays full until the deadline."""
        poll = select.poll()
        poll.register(self.entrance, select.POLLOUT)
        if poll.poll(max(0.0, 1000 * (deadline - time.monotonic()))):
            os.write(self.entrance, mark)

    def forward(self, *, to_the_end: bool) -> None:
        """Forward the output that the helper did not read. If `to_the_end` is True, wait until all children have closed
        the stream."""
        os.set_blocking(self.exit, to_the_end)
        with contextlib.suppress(OSError):  # this error is also raised if no output is available
            while data := os.read(self.exit, _READ_BYTES):
                while data:
                    data = data[os.write(self.original, data) :]

    def forward_and_close(self) -> None:
        self.forward(to_the_end=True)
        self.close()


@dataclass(eq=False)
class _CellStream(_Stream):
    """Output of notebook cells, which is copied into the log but not forwarded."""

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
    """Redirection of this process's output through a helper process. The output is redirected while at least one run
    records it."""

    changing = threading.RLock()
    """Lock that is held while streams are redirected, because runs may start and end in several threads at once."""
    _current: StreamTee | None = None

    def __init__(self, open_: list[int]) -> None:
        self._streams: list[_Stream] = []
        self._attached: list[tuple[str, str]] = []
        self._requests = self._answered = 0
        self._ended = False
        """True if the helper process has ended."""
        try:
            self._streams = list(_streams(open_))
            if not self._streams:
                raise OSError("stdout and stderr are closed")
            own_end, helper_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._control = socket.socket(fileno=_move_up(own_end.detach()))
            self._helper = _start_helper(_move_up(helper_end.detach()), self._streams)
            threading.Thread(target=self._listen, name="runfolio-console", daemon=True).start()
        except (OSError, RuntimeError):
            self._close()
            raise

    @classmethod
    def of_this_process(cls, open_: list[int]) -> StreamTee:
        """Return the current `StreamTee` if it still works. Otherwise create and return a new one.

        Args:
            open_: Descriptors to redirect: 1 and 2, unless they are closed.
        Raises:
            OSError: A process, pipe or pseudo-terminal cannot be created.
            RuntimeError: A thread cannot be started.
        """
        tee = cls._current
        if tee is not None and not tee._ended and all(stream.still_fits() for stream in tee._streams):
            return tee
        if tee is not None and not tee._attached:
            tee._disconnect()
        cls._current = tee = cls(open_)
        return tee

    def attach(self, run: tuple[str, str]) -> None:
        """Start recording for a run."""
        self._send({"do": "attach", "folder": run[0], "writer": run[1]})
        if not self._attached:
            _flush()
            for stream in self._streams:
                stream.redirect()
        self._attached.append(run)

    def add_lines(self, run: tuple[str, str], text: str) -> None:
        """Add lines to the log of one run without printing them."""
        for line in text.splitlines():
            self._send({"do": "add", "folder": run[0], "writer": run[1], "line": line[:_ADDED_CHARACTERS]})

    def detach(self, run: tuple[str, str], ending: exit_hooks.Ending) -> None:
        """Complete the log of a run. If no other run records the output, restore the streams."""
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
                if StreamTee._current is not self:  # a new `StreamTee` has replaced this one
                    self._disconnect()

    def forget_in_child(self) -> None:
        """Discard the redirection in a forked child. The child still prints into the redirected streams, but must not
        control the helper."""
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
        # The loop polls, because a signal handler may interrupt this thread and wait for the same lock or thread.
        while self._answered < number and not self._ended and time.monotonic() < deadline:
            time.sleep(0.001)

    def _send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the helper has ended, which `_listen` detects
            self._control.send(json.dumps(message).encode(), socket.MSG_NOSIGNAL)

    def _listen(self) -> None:
        """Receive messages from the helper, and forward the output if the helper dies. This method runs on a separate
        thread."""
        self._helper.wait()  # the started process has forked and ended, and its child is the helper
        while packet := self._packet():
            answer = json.loads(packet)
            if "broken" in answer:
                self._drop_stream(answer["broken"])
            else:
                exit_hooks.set_senders([Sender(**sender) for sender in answer["senders"]])
                self._answered = max(self._answered, answer["ack"])
        self._ended = True
        for stream in self._streams:
            stream.forward(to_the_end=False)  # forward this output before new output bypasses the redirection
            stream.restore()
            os.close(stream.entrance)
            stream.entrance = -1  # other code may reuse this descriptor number
        if self._attached:
            log.warning("the console is no longer recorded, because its helper process ended; training continues")
        self._control.close()
        for stream in self._streams[1:]:
            threading.Thread(target=stream.forward_and_close, daemon=True).start()
        if self._streams:
            self._streams[0].forward_and_close()

    def _disconnect(self) -> None:
        """Close the connection to the helper. `_listen` then closes the streams."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)

    def _packet(self) -> bytes:
        try:
            return self._control.recv(_READ_BYTES)
        except OSError:
            return b""

    def _drop_stream(self, exit_: int) -> None:
        """Restore a stream whose destination was closed. The code that prints then gets the error."""
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
    """Yield one redirection for each file, pipe or terminal to which the given descriptors write."""
    descriptors: dict[_Identity, list[int]] = {}
    for descriptor in open_:
        descriptors.setdefault(_identity(descriptor), []).append(descriptor)
    for replaced in descriptors.values():
        original = _move_up(os.dup(replaced[0]))
        entrance, exit_ = _open_pseudo_terminal(original) if os.isatty(original) else reversed(os.pipe())
        yield _Stream(replaced, original, _move_up(entrance), _move_up(exit_))
    if CellOutput.exists():
        exit_, entrance = os.pipe()
        yield _CellStream([], _move_up(os.open(os.devnull, os.O_WRONLY)), _move_up(entrance), _move_up(exit_))


def _open_pseudo_terminal(original: int) -> tuple[int, int]:
    """Open a pseudo-terminal of the same size as the real terminal. The pseudo-terminal is in raw mode, because the
    real terminal translates the output."""
    master, slave = os.openpty()
    tty.setraw(slave)
    with contextlib.suppress(OSError):
        fcntl.ioctl(slave, termios.TIOCSWINSZ, fcntl.ioctl(original, termios.TIOCGWINSZ, bytes(8)))
    return slave, master


def _start_helper(control: int, streams: list[_Stream]) -> subprocess.Popen[str]:
    """Start the helper process.

    Raises:
        OSError: The process cannot be started.
    """
    shared = [control, *(number for stream in streams for number in (stream.exit, stream.original))]
    mine = [control]
    # This call fails on old kernels. The call is made here, because the process may end before the helper starts.
    with contextlib.suppress(OSError):
        mine.append(_move_up(os.pidfd_open(os.getpid())))
        shared.append(mine[-1])
    pidfd = str(mine[1]) if len(mine) > 1 else "-"
    # The count of out-of-memory kills starts here, because the kernel may kill processes before the helper has started.
    oom = str(OomKills.of_this_process() or "-")
    pairs = [f"{stream.exit}:{stream.original}" for stream in streams]
    # Signals that are blocked here stay blocked in the helper. Ctrl-C then cannot end the helper before it handles
    # signals.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _NOT_HELD_BACK)
    try:
        return subprocesses.start(
            # -P prevents a user's module from replacing a standard module of the same name.
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


def _move_up(descriptor: int) -> int:
    """Return the descriptor. If its number is 2 or lower, return a copy with a higher number. A new descriptor may have
    got the number of a closed stdout or stderr."""
    if descriptor > 2:
        return descriptor
    higher = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return higher


def _flush() -> None:
    """Flush Python's output buffers. Errors are ignored, because `sys.stdout` may be any object, may be closed, or may
    be in the middle of a write."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _in_child() -> None:
    if StreamTee._current is not None:
        StreamTee._current.forget_in_child()


os.register_at_fork(after_in_child=_in_child)
