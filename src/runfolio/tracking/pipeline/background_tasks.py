"""Slow tasks of a run, each on its own thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable


class BackgroundTasks:
    """Threads that capture the environment of a run and execute other slow tasks for the run's record."""

    def __init__(self, guard: Callable[[Callable[[], object]], None], capture: Callable[[], None]) -> None:
        """Prepare the threads without starting them.

        Args:
            guard: Function that executes a task and catches the task's exceptions.
            capture: Task that `start_capture` starts.
        """
        self._guard = guard
        self._capture = self._thread(capture)
        self._threads = [self._capture]

    def start_capture(self) -> None:
        """Start capturing the environment. If no thread can be started, the record does not contain the environment."""
        with contextlib.suppress(RuntimeError):
            self._capture.start()

    def start(self, task: Callable[[], object]) -> None:
        """Start a task.

        Raises:
            RuntimeError: No thread can be started.
        """
        thread = self._thread(task)
        thread.start()
        self._threads.append(thread)

    def wait(self, timeout_s: float, is_hurried: Callable[[], bool]) -> None:
        """Wait until all tasks have ended, the timeout has passed, or `is_hurried` returns True."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            while thread.is_alive() and not is_hurried() and time.monotonic() < deadline:
                thread.join(0.02)

    def _thread(self, task: Callable[[], object]) -> threading.Thread:
        return threading.Thread(target=self._guard, args=(task,), daemon=True)
