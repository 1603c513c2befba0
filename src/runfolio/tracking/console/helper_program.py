"""The program beside a training process that passes its output on, keeps the console log, and sees how it ends.

`python -m runfolio.tracking.console.helper_program CONTROL PID PIDFD OOM IN:OUT ...`: the numbers of descriptors it
inherits, but for PID and OOM; the socket the process speaks through, its pidfd (`-` if there is none), what
`OomKills.parse` reads,
and for each stream where its output comes from and where it goes. Messages are JSON objects, one a packet:

    {"do": "attach", "folder": "...", "writer": "..."}        record into that run from now on
    {"do": "add", "folder": "...", "writer": "...",           add a line to the log of that run, which nobody printed
     "line": "..."}
    {"do": "detach", "folder": "...", "writer": "...",        stop that, once `mark` has come through every stream
     "number": 3, "mark": "...",                              "signal": what ends the process, so who sent it is asked
     "signal": null, "watch": false}                          "watch": note an exit status that the run cannot know
    {"ack": 3, "senders": [...]}                              answer: done; who sent the signals of the last seconds
    {"broken": 3}                                             nobody reads what comes from descriptor 3 any more

It is a process, not a thread, because it must outlive a `kill -9` of the training, and because C code that prints
while it holds the interpreter's lock would wait for ever for a thread that needs that lock to read.
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
_LOOK_S = 2.0
"""How often the process's memory is looked at."""
_MARK_WAIT_S = 1.5
_LAST_WORDS_S = 2.0
"""How long what a dead process printed is read before its log is closed; its children may go on printing for ever."""
_SENDER_S = 10.0
"""How long a signal is remembered as the possible cause of an end."""
_SENDER_WAIT_S = 0.1
"""A signal for the whole group may reach this process a little later than the other."""
_UNREAD = 120
"""What Python exits with where its last output found no reader (`| head`): that is no failure of a training."""
_HEARD = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH}
"""Of the signals that are blocked from the very start; see `console`."""


class Stream:
    """One stream of the process's output, on its way."""

    def __init__(self, source: int, target: int) -> None:
        self.source = source
        self._target: int | None = target
        self._marks: list[bytes] = []
        """One for each run that ends; in threads, several runs end at once."""
        self._held = b""
        os.set_blocking(source, False)

    def read(self) -> bytes | None:
        """What has come, perhaps nothing; None at the end."""
        try:
            return os.read(self.source, _READ_BYTES) or None
        except BlockingIOError:
            return b""
        except OSError:  # a terminal that nobody holds any more
            return None

    def expect(self, mark: bytes) -> None:
        self._marks.append(mark)

    def waits_for(self, mark: bytes) -> bool:
        return mark in self._marks

    def give_up(self, mark: bytes) -> bytes:
        """Stop waiting for it; what was held back because it could have been its beginning."""
        self._marks.remove(mark)
        return self.without_marks(b"")

    def without_marks(self, data: bytes) -> bytes:
        """The data without the expected marks, which may come in pieces and in any order."""
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

    def pass_on(self, data: bytes) -> None:
        """Write it where it would have gone.

        Raises:
            OSError: Nobody takes it any more.
        """
        while data and self._target is not None:
            try:
                data = data[os.write(self._target, data) :]
            except BlockingIOError:  # somebody else made the terminal non-blocking
                select.select([], [self._target], [], 1.0)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                self._target = None  # the terminal was closed: no reason to stop the training, and the log goes on

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
        """Folder and writer of each run that is recorded into."""
        self._watched: list[tuple[str, str]] = []
        self._detaching: list[tuple[dict[str, Any], float]] = []
        """Requests to detach whose mark has not come yet, and until when it is waited for."""
        self._signals = [(time.monotonic(), sender) for sender in senders]
        self._last_words_until: float | None = None
        self._next_look = 0.0
        self._poll = select.poll()
        for descriptor in (control.fileno(), observer.descriptor, *self._streams):
            if descriptor is not None:
                self._poll.register(descriptor, select.POLLIN)

    def run(self) -> None:
        threading.Thread(target=self._take_signals, daemon=True).start()
        lives = True
        while lives or self._streams:
            patience = _SENDER_WAIT_S / 5 if self._detaching else _TICK_S if self._runs else _LOOK_S
            ready = [descriptor for descriptor, _ in self._poll.poll(1000 * patience)]
            self._receive()
            streams = [self._streams[descriptor] for descriptor in ready if descriptor in self._streams]
            for stream in streams:
                self._pump(stream)
            self._detach_where_due()
            self._transcript.tick(time.monotonic())
            self._look()
            if lives and self._is_dead(ready):
                lives = not self._has_said_all(streams)

    def _pump(self, stream: Stream) -> None:
        data = stream.read()
        if data is None:
            self._close(stream)
            return
        self._receive()  # who sends a mark says so first; so the mark in `data` is known now
        self._deliver(stream, stream.without_marks(data))

    def _deliver(self, stream: Stream, data: bytes) -> None:
        try:
            stream.pass_on(data)
        except OSError:
            # As without us, it is the process itself that must meet the closed pipe or the full disk.
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
            self._obey(json.loads(packet))

    def _obey(self, message: dict[str, Any]) -> None:
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

    def _detach_where_due(self) -> None:
        while self._detaching:
            message, deadline = self._detaching[0]
            mark = message["mark"].encode()
            waiting = [stream for stream in self._streams.values() if stream.waits_for(mark)]
            now = time.monotonic()
            if waiting and now < deadline:
                return
            senders = [sender for when, sender in self._signals if when >= now - _SENDER_S]
            heard = message["signal"] is None or any(sender.signal == message["signal"] for sender in senders)
            if not heard and now < deadline - _MARK_WAIT_S + _SENDER_WAIT_S:
                return
            for stream in waiting:
                self._deliver(stream, stream.give_up(mark))
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
        if self._last_words_until is not None:
            return True
        if self._control is None and not (self._runs or self._watched):
            return True  # nothing of it is to be known any more
        if self._observer.descriptor is None:  # then the socket must do; children of C code may hold it open
            return self._control is None
        return self._observer.descriptor in ready

    def _has_said_all(self, busy: list[Stream]) -> bool:
        """Note the death once nothing comes any more."""
        if self._last_words_until is None:
            self._last_words_until = time.monotonic() + _LAST_WORDS_S
        if busy and time.monotonic() < self._last_words_until:
            return False
        if self._observer.descriptor is not None:
            self._poll.unregister(self._observer.descriptor)
        self._bury()
        return True

    def _bury(self) -> None:
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
            with contextlib.suppress(OSError):  # the disk is full, or the run's folder gone
                disk.release(Path(folder), writer)
                death.write(Path(folder), writer)
        self._runs.clear()

    def _look(self) -> None:
        if self._runs and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_S
            self._observer.look()

    def _take_signals(self) -> None:
        """Ctrl-C and SIGTERM for the whole group are not for us: we end when everything has been passed on."""
        while True:
            info = signal.sigwaitinfo(_HEARD)
            if info.si_signo == signal.SIGWINCH:
                for stream in list(self._streams.values()):
                    stream.follow_window()
            else:
                self._signals = [*self._signals[-9:], (time.monotonic(), Sender.from_siginfo(info))]


def main(control: str, pid: str, pidfd: str, oom_kills: str, *streams: str) -> None:
    early = []  # a signal that waits is not inherited
    while info := signal.sigtimedwait(_HEARD, 0):
        early.append(Sender.from_siginfo(info))
    # Nobody's child but init's: a training that waits for its children, or kills them, does not mean us.
    if os.fork():
        os._exit(0)
    pairs = [tuple(map(int, stream.split(":"))) for stream in streams]
    observer = ProcessObserver(int(pid), int(pidfd) if pidfd.isdigit() else None, OomKills.parse(oom_kills))
    Relay(socket.socket(fileno=int(control)), observer, [Stream(*pair) for pair in pairs], early).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
