"""Logger for the threads that write the record. A separate thread handles its messages, so the writing threads never
wait for logging handlers.

A logging handler holds a lock while it writes. A signal handler that ends the process may have interrupted the training
thread while that thread held the lock. If a writing thread waited for this lock, it could not write the last points.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

from runfolio.record.base.visible_text import visible_line, visible_traceback

_logger = logging.getLogger("runfolio")


def _escape_controls(record: logging.LogRecord) -> bool:
    """Escape control characters in a message and its traceback, because both may contain names that a user chose."""
    record.msg, record.args = visible_line(record.getMessage()), None
    if record.exc_info and record.exc_info[1] is not None:
        record.exc_text = visible_traceback(record.exc_info[1]).removesuffix("\n")
    return True


_logger.addFilter(_escape_controls)


class BackgroundLogger:
    """Logger that passes messages to the `runfolio` logger on a separate thread."""

    def __init__(self) -> None:
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def warning(self, message: str, *values: object, exc_info: Any = None) -> None:
        self._put(lambda: _logger.warning(message, *values, exc_info=exc_info))

    def error(self, message: str, *values: object) -> None:
        self._put(lambda: _logger.error(message, *values))

    def exception(self, message: str, *values: object) -> None:
        """Log an error with the exception that is currently being handled."""
        error = sys.exception()
        self._put(lambda: _logger.error(message, *values, exc_info=error))

    def wait(self, timeout_s: float) -> None:
        """Wait at most `timeout_s` seconds until all earlier messages are handled."""
        if self._has_thread:
            answer: queue.SimpleQueue[None] = queue.SimpleQueue()
            self._tasks.put(lambda: answer.put(None))
            with contextlib.suppress(queue.Empty):
                answer.get(timeout=timeout_s)

    def _put(self, task: Callable[[], object]) -> None:
        self._tasks.put(task)
        if not self._has_thread:
            self._has_thread = True
            try:
                threading.Thread(target=self._run, name="runfolio-log", daemon=True).start()
            except RuntimeError:  # no thread can be started
                self._has_thread = False
                self._tasks.get()()

    def _run(self) -> None:
        tasks = self._tasks
        while True:
            with contextlib.suppress(Exception):  # a handler that the user added may raise any error
                tasks.get()()

    def _reset(self) -> None:
        """Create an empty queue. A forked child also creates an empty queue, because the parent handles the messages
        that were queued earlier."""
        self._tasks: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._has_thread = False


log = BackgroundLogger()
