"""Counter of calls on a run that has ended. The counts are added to the record when the process exits."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections import Counter
from pathlib import Path

from runfolio.errors import RunfolioError
from runfolio.record.base.run_document import RunDocument
from runfolio.tracking.pipeline.plain_texts import type_or_text
from runfolio.tracking.pipeline.queue_items import FailedCall, Item, Mark, Media

_EXIT_WAIT_S = 5.0
"""Maximum time for which an exiting process waits until the counts are saved."""


class LateCalls:
    """Counter of calls after a run's end. Calls are counted per metric name or media name.

    A separate thread saves the counts, because the store may hang. Python cannot start threads while it exits, so the
    thread starts at the first call after the run's end.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self._folder = folder
        self._writer = writer
        self._pid = os.getpid()
        self._counts: Counter[str] = Counter()
        self._is_exiting = threading.Event()
        self._first_call = threading.Lock()  # the first call acquires this lock, and no thread waits for it
        self._thread = threading.Thread(target=self._save, name="runfolio-late-calls", daemon=True)

    def count(self, item: Item) -> None:
        """Count an item that is not recorded."""
        if isinstance(item, Media | FailedCall):
            names = [item.name]
        elif isinstance(item, Mark):
            return
        else:
            names = map(type_or_text, item[2])
        if self._first_call.acquire(blocking=False):
            with contextlib.suppress(RuntimeError):  # no thread can be started
                self._thread.start()
                atexit.register(self._exit)
        self._counts.update(names)

    def _exit(self) -> None:
        """Let the thread save the counts, and wait for the thread. A forked child does nothing, because the thread runs
        only in the parent."""
        if os.getpid() == self._pid:
            self._is_exiting.set()
            self._thread.join(_EXIT_WAIT_S)

    def _save(self) -> None:
        """Wait until the process exits, and add the counts to `refused` in the run document. Do nothing if the run was
        resumed in the meantime."""
        self._is_exiting.wait()
        with contextlib.suppress(OSError, RunfolioError):
            document = RunDocument.read(self._folder)
            if document.attempts[-1].writer == self._writer:
                for name, count in list(self._counts.items()):  # other threads may still add calls
                    document.count_refused(name, count)
                document.write(self._folder)
