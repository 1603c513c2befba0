"""What the writing threads have to tell the user, told by a thread that nobody waits for.

A logging handler is locked while it writes. A signal handler that ends the process may have interrupted the training
thread in the midst of that; a writing thread that waited for the lock would never bring the last points to the disk.
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

_logger = logging.getLogger("runfolio")


class Told:
    """As a logger, from a thread of its own."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def warning(self, message: str, *values: object, exc_info: Any = None) -> None:
        self._put(lambda: _logger.warning(message, *values, exc_info=exc_info))

    def error(self, message: str, *values: object) -> None:
        self._put(lambda: _logger.error(message, *values))

    def exception(self, message: str, *values: object) -> None:
        """To be called where an exception is being handled."""
        error = sys.exception()
        self._put(lambda: _logger.error(message, *values, exc_info=error))

    def wait(self, timeout_s: float) -> None:
        """Until everything so far is told, or that takes too long."""
        if self._is_there:
            answer: queue.SimpleQueue[None] = queue.SimpleQueue()
            self._tasks.put(lambda: answer.put(None))
            with contextlib.suppress(queue.Empty):
                answer.get(timeout=timeout_s)

    def _put(self, task: Callable[[], object]) -> None:
        self._tasks.put(task)
        if not self._is_there:
            self._is_there = True
            try:
                threading.Thread(target=self._tell, name="runfolio-tells", daemon=True).start()
            except RuntimeError:  # no thread to be had
                self._is_there = False
                self._tasks.get()()

    def _tell(self) -> None:
        tasks = self._tasks
        while True:
            with contextlib.suppress(Exception):  # a handler of the user's own
                tasks.get()()

    def _forget(self) -> None:
        """A forked child has no such thread, and what waits is the parent's to tell."""
        self._tasks: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._is_there = False


log = Told()
