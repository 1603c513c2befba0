"""Seeing that a signal is acted on whatever the main thread waits for.

Python acts on a signal between two instructions of the main thread. One that comes after the last of them, but before
the thread has begun to wait, is acted on when that is over: for a worker of a `multiprocessing.Pool` that is terminated
while it goes for its next task, never; and whoever terminated it waits for it for ever.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Container

_RETRY_S = 0.05
_pipe: tuple[int, int] | None = None
"""What Python writes the numbers of signals to, as they come: read end and write end."""


def start(signals: Container[int], is_handled: Callable[[], bool]) -> None:
    """Interrupt the main thread, which calls this, until it has acted on one of these signals.

    Not where somebody else is told of signals as they come, such as asyncio: their main thread wakes up for them.
    """
    global _pipe
    if _pipe is not None:
        return
    with contextlib.suppress(OSError, RuntimeError):  # no descriptor or thread is to be had
        _pipe = reader, writer = os.pipe()
        os.set_blocking(writer, False)
        previous_descriptor = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        if previous_descriptor == -1:
            threading.Thread(
                target=_watch, args=(reader, signals, is_handled), name="runfolio-signals", daemon=True
            ).start()
            return
        signal.set_wakeup_fd(previous_descriptor)
    stop()


def stop() -> None:
    """Tell nobody any more; for a forked child, too, whose signals are not its parent's."""
    global _pipe
    if _pipe is None:
        return
    current = signal.set_wakeup_fd(-1)
    if current != _pipe[1]:
        signal.set_wakeup_fd(current)
    for descriptor in _pipe:
        os.close(descriptor)
    _pipe = None


def _watch(reader: int, signals: Container[int], is_handled: Callable[[], bool]) -> None:
    main = threading.main_thread().ident
    while main is not None and (numbers := os.read(reader, 64)):
        for number in filter(signals.__contains__, numbers):
            while not is_handled():
                time.sleep(_RETRY_S)
                if not is_handled():
                    signal.pthread_kill(main, number)
