"""Helper program that forwards the console output of a training process, writes the console log, and records how the
process ends.

The command is `python -m runfolio.tracking.console.helper_program CONTROL PID PIDFD OOM IN:OUT ...`. CONTROL is the
descriptor of the socket to the training process, and PID is the id of that process. PIDFD is a file descriptor that
becomes readable when the process ends, or `-` if there is none. OOM is a string that `OomKills.parse` reads. The helper
reads an output stream from the descriptor IN and forwards it to the descriptor OUT. Each packet on the socket is one
JSON object:

    {"do": "attach", "folder": "...", "writer": "..."}        start to record the output in the log of that run
    {"do": "add", "folder": "...", "writer": "...",           add a line to the log of that run
     "line": "..."}
    {"do": "detach", "folder": "...", "writer": "...",        stop recording when `mark` has arrived on every stream
     "number": 3, "mark": "...",                              "signal": the signal that ends the process, to find its
     "signal": null, "watch": false}                          sender; "watch": record a later exit status other than 0
    {"ack": 3, "senders": [...]}                              answer to request 3; "senders" of the recent signals
    {"broken": 3}                                             the destination of descriptor 3 was closed or is full

The helper is a process instead of a thread, because it must survive a `kill -9` of the training process. In addition, C
code may print while it holds the GIL. If the pipe were full, the code would wait forever for a thread that needs the
GIL to read the output.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import signal
import socket
import sys
import termios
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from runfolio.record.base import disk
from runfolio.record.content.console_log import Transcript, log_path
from runfolio.record.liveness.process_exits import Death
from runfolio.tracking.process.process_observer import OomKills, ProcessObserver, Sender

_READ_BYTES = 65536
_TICK_S = 0.25
_SAMPLE_S = 2.0
"""Interval between two measurements of the process's memory, in seconds."""
_MARK_WAIT_S = 1.5
_DRAIN_S = 2.0
"""Maximum time for which the output of a dead process is read before its log is closed. Children of the process may
continue to print forever."""
_SENDER_S = 10.0
"""Maximum age of a signal that may have caused the process to end."""
_SENDER_WAIT_S = 0.1
"""Time to wait for a signal that was sent to the whole process group. The signal may reach this process slightly later
than the training process."""
_UNREAD = 120
"""Exit status of Python if the last output could not be written, as with `| head`. This is not a failure of
training."""
_HANDLED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH}
"""Signals that this process handles. The signals are blocked from the start of the process (see `capture`)."""


class Stream:
    """One output stream of the training process."""

    def __init__(self, source: int, target: int) -> None:
        self.source = source
        self._target: int | None = target
        self._marks: list[bytes] = []
        """Markers that are expected in the stream. The training process writes one marker for each run that ends, and
        several runs may end at once."""
        self._held = b""
        os.set_blocking(source, False)

    def read(self) -> bytes | None:
        """Return the available output, which may be empty. Return None at the end of the stream."""
        try:
            return os.read(self.source, _READ_BYTES) or None
        except BlockingIOError:
            return b""
        except OSError:  # no process can write to the pseudo-terminal any more
            return None

    def expect(self, mark: bytes) -> None:
        self._marks.append(mark)

    def expects(self, mark: bytes) -> bool:
        return mark in self._marks

    def stop_expecting(self, mark: bytes) -> bytes:
        """Stop waiting for a marker. Return bytes that were held back because they could be the start of the marker."""
        self._marks.remove(mark)
        return self.without_marks(b"")

    def without_marks(self, data: bytes) -> bytes:
        """Return the data without the expected markers. Markers may arrive in pieces and in any order."""
        if not self._marks:
            held, self._held = self._held, b""
            return held + data
        data = self._held + data
        for mark in [mark for mark in self._marks if mark in data]:
            self._marks.remove(mark)
            data = data.replace(mark, b"", 1)
        beginnings = (mark[:size] for mark in self._marks for size in range(1, len(mark)))
        size = max((len(beginning) for beginning in beginnings if data.endswith(beginning)), default=0)
        self._held = data[len(data) - size :]
        return data[: len(data) - size]

    def forward(self, data: bytes) -> None:
        """Write data to the original destination.

        Raises:
            OSError: The destination was closed or is full.
        """
        while data and self._target is not None:
            try:
                data = data[os.write(self._target, data) :]
            except BlockingIOError:  # other code has made the terminal non-blocking
                select.select([], [self._target], [], 1.0)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                self._target = None  # the terminal was closed, but training and log continue

    def follow_window(self) -> None:
        if self._target is not None:
            with contextlib.suppress(OSError):
                size = fcntl.ioctl(self._target, termios.TIOCGWINSZ, bytes(8))
                fcntl.ioctl(self.source, termios.TIOCSWINSZ, size)


class Relay:
    def __init__(
        self, control: socket.socket, observer: ProcessObserver, streams: list[Stream], senders: Sequence[Sender]
    ) -> None:
        self._control: socket.socket | None = control
        self._observer = observer
        self._streams = {stream.source: stream for stream in streams}
        self._transcript = Transcript()
        self._runs: dict[tuple[str, str], None] = {}
        """Folder and writer id of each run that is being recorded."""
        self._watched: list[tuple[str, str]] = []
        self._detaching: list[tuple[dict[str, Any], float]] = []
        """Requests of type `detach`, each with the deadline for its marker."""
        self._signals = [(time.monotonic(), sender) for sender in senders]
        self._drain_until: float | None = None
        self._next_sample = 0.0
        self._poll = select.poll()
        for descriptor in (control.fileno(), observer.descriptor, *self._streams):
            if descriptor is not None:
                self._poll.register(descriptor, select.POLLIN)

    def run(self) -> None:
        threading.Thread(target=self._take_signals, daemon=True).start()
        is_alive = True
        while is_alive or self._streams:
            timeout_s = _SENDER_WAIT_S / 5 if self._detaching else _TICK_S if self._runs else _SAMPLE_S
            ready = [descriptor for descriptor, _ in self._poll.poll(1000 * timeout_s)]
            self._receive()
            streams = [self._streams[descriptor] for descriptor in ready if descriptor in self._streams]
            for stream in streams:
                self._pump(stream)
            self._detach_due()
            self._transcript.tick(time.monotonic())
            self._sample_memory()
            if is_alive and self._is_dead(ready):
                is_alive = not self._is_drained(streams)

    def _pump(self, stream: Stream) -> None:
        data = stream.read()
        if data is None:
            self._close(stream)
            return
        self._receive()  # the request that announces a marker is sent before the marker
        self._deliver(stream, stream.without_marks(data))

    def _deliver(self, stream: Stream, data: bytes) -> None:
        try:
            stream.forward(data)
        except OSError:
            # A closed pipe or a full disk must raise an error in the training process, as it would without the helper.
            self._close(stream)
            self._send({"broken": stream.source})
        self._transcript.feed(stream.source, data, time.monotonic())

    def _close(self, stream: Stream) -> None:
        self._poll.unregister(stream.source)
        os.close(stream.source)
        del self._streams[stream.source]

    def _receive(self) -> None:
        while self._control is not None:
            try:
                packet = self._control.recv(_READ_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self._poll.unregister(self._control.fileno())
                self._control.close()
                self._control = None
                return
            self._handle(json.loads(packet))

    def _handle(self, message: dict[str, Any]) -> None:
        run = (message["folder"], message["writer"])
        if message["do"] == "attach":
            self._runs[run] = None
            self._transcript.attach(log_path(Path(run[0]), run[1]))
            return
        if message["do"] == "add":
            self._transcript.add(log_path(Path(run[0]), run[1]), message["line"])
            return
        for stream in self._streams.values():
            stream.expect(message["mark"].encode())
        self._detaching.append((message, time.monotonic() + _MARK_WAIT_S))

    def _detach_due(self) -> None:
        while self._detaching:
            message, deadline = self._detaching[0]
            mark = message["mark"].encode()
            waiting = [stream for stream in self._streams.values() if stream.expects(mark)]
            now = time.monotonic()
            if waiting and now < deadline:
                return
            senders = [sender for when, sender in self._signals if when >= now - _SENDER_S]
            has_sender = message["signal"] is None or any(sender.signal == message["signal"] for sender in senders)
            if not has_sender and now < deadline - _MARK_WAIT_S + _SENDER_WAIT_S:
                return
            for stream in waiting:
                self._deliver(stream, stream.stop_expecting(mark))
            del self._detaching[0]
            run = (message["folder"], message["writer"])
            self._transcript.detach(log_path(Path(run[0]), run[1]))
            self._runs.pop(run, None)
            if message["watch"]:
                self._watched.append(run)
            self._send({"ack": message["number"], "senders": [asdict(sender) for sender in senders]})

    def _send(self, message: dict[str, Any]) -> None:
        if self._control is not None:
            with contextlib.suppress(OSError):
                self._control.send(json.dumps(message).encode(), socket.MSG_NOSIGNAL)

    def _is_dead(self, ready: list[int]) -> bool:
        if self._drain_until is not None:
            return True
        if self._control is None and not (self._runs or self._watched):
            return True  # no run needs the exit status of the process
        # Without a pidfd, the closed socket shows the end of the process, unless children hold the socket open.
        if self._observer.descriptor is None:
            return self._control is None
        return self._observer.descriptor in ready

    def _is_drained(self, busy: list[Stream]) -> bool:
        """Return whether all output of the dead process has been read. If it has, record how the process ended."""
        if self._drain_until is None:
            self._drain_until = time.monotonic() + _DRAIN_S
        if busy and time.monotonic() < self._drain_until:
            return False
        if self._observer.descriptor is not None:
            self._poll.unregister(self._observer.descriptor)
        self._record_death()
        return True

    def _record_death(self) -> None:
        code = self._observer.exit_code()
        watched = [] if code in (None, 0, _UNREAD) else self._watched
        for folder, writer in [*self._runs, *watched]:
            self._transcript.detach(log_path(Path(folder), writer))
            death = Death(
                signal=-code if code is not None and code < 0 else None,
                exit_code=code if code is not None and code >= 0 else None,
                oom_kills=self._observer.oom_kills(),
                memory_bytes=self._observer.memory_bytes,
            )
            with contextlib.suppress(OSError):  # the disk is full, or the folder was deleted
                disk.release(Path(folder), writer)
                death.write(Path(folder), writer)
        self._runs.clear()

    def _sample_memory(self) -> None:
        if self._runs and time.monotonic() >= self._next_sample:
            self._next_sample = time.monotonic() + _SAMPLE_S
            self._observer.sample_memory()

    def _take_signals(self) -> None:
        """Receive signals, so that Ctrl-C and SIGTERM do not terminate the helper. The helper exits after all output is
        forwarded."""
        while True:
            info = signal.sigwaitinfo(_HANDLED)
            if info.si_signo == signal.SIGWINCH:
                for stream in list(self._streams.values()):
                    stream.follow_window()
            else:
                self._signals = [*self._signals[-9:], (time.monotonic(), Sender.from_siginfo(info))]


def main(control: str, pid: str, pidfd: str, oom_kills: str, *streams: str) -> None:
    early = []  # the forked child does not inherit signals that are pending here
    while info := signal.sigtimedwait(_HANDLED, 0):
        early.append(Sender.from_siginfo(info))
    # After this fork, the helper is a child of init. The training process then neither waits for the helper nor kills
    # it.
    if os.fork():
        os._exit(0)
    pairs = [tuple(map(int, stream.split(":"))) for stream in streams]
    observer = ProcessObserver(int(pid), int(pidfd) if pidfd.isdigit() else None, OomKills.parse(oom_kills))
    Relay(socket.socket(fileno=int(control)), observer, [Stream(*pair) for pair in pairs], early).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
