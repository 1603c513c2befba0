"""Prompt handling of signals while the main thread waits.

Python runs a signal handler between two instructions of the main thread. If a signal arrives just before the thread
starts to wait, its handler runs only after that wait. For example, a worker of a `multiprocessing.Pool` may be
terminated while it waits for its next task. Without this module, the worker would never end, and the process that
terminates it would wait forever.
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
"""Read end and write end of a pipe. Python writes the numbers of arriving signals to the pipe."""


def start(signals: Container[int], is_handled: Callable[[], bool]) -> None:
    """Interrupt the main thread's waits when one of the given signals arrives. Call this function in the main thread.

    The call has no effect if other code, such as asyncio, already receives the signals. Such code wakes up the main
    thread itself.
    """
    global _pipe
    if _pipe is not None:
        return
    with contextlib.suppress(OSError, RuntimeError):  # no file descriptor or thread is available
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
    """Undo `start`. This function is also called in a forked child, which hooks its own signals."""
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
