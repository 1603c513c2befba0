"""Ending a run and its process after a number of steps, for `runfolio reproduce RUN --steps K`."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn, Protocol

from runfolio.errors import ConfigError
from runfolio.tracking.pipeline.plain_values import whole_step
from runfolio.tracking.pipeline.queue_items import Item, Mark, Media, Scalars
from runfolio.tracking.process.outcome import RunOutcome


class _Run(Protocol):
    def end(self, outcome: RunOutcome) -> None: ...


class StopAfter:
    """Stands before what takes items up, until the first log call whose step is beyond; that is not taken up any more.

    Steps are counted as `Run.log` counts them; what was measured beside the training has steps of its own.
    """

    def __init__(self, last: int, take: Callable[[Item], None], run: _Run) -> None:
        self._last = last
        self._take = take
        self._run = run
        self._step = -1

    def __call__(self, item: Item) -> None:
        if not isinstance(item, Media | Mark) and not (isinstance(item, Scalars) and item.aside):
            try:
                self._step = self._step + 1 if item[1] is None else whole_step(item[1])
            except ConfigError:  # told where it is encoded, and replaced by the next
                self._step += 1
            if self._step > self._last:
                self._stop()
        self._take(item)

    def _stop(self) -> NoReturn:
        self._run.end(RunOutcome(reason=f"stopped behind step {self._last}, as was asked for"))
        if threading.current_thread() is not threading.main_thread():
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)  # an exception would end this thread alone
        raise SystemExit(0)
