"""Tasks that take a while and belong to a run, each on a thread of its own."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable


class BackgroundTasks:
    """Finds out what surrounds the run, and whatever else the record needs that takes time."""

    def __init__(self, guard: Callable[[Callable[[], object]], None], capture: Callable[[], None]) -> None:
        """Prepare.

        Args:
            guard: Calls a task and catches what it raises.
            capture: The task of `start_capture`.
        """
        self._guard = guard
        self._capture = self._thread(capture)
        self._threads = [self._capture]

    def start_capture(self) -> None:
        """Start the capture; without a second thread, the record lacks what surrounds the run."""
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
        """Wait for all tasks, as long as there is time and nobody is in a hurry."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            while thread.is_alive() and not is_hurried() and time.monotonic() < deadline:
                thread.join(0.02)

    def _thread(self, task: Callable[[], object]) -> threading.Thread:
        return threading.Thread(target=self._guard, args=(task,), daemon=True)
