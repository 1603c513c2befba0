"""Filter for log calls that ends a run and its process after a number of steps, as `runfolio reproduce RUN --steps K`
requests."""

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
    """Filter that ends the run at the first log call with a step after `last`. That call is not recorded.

    Steps are counted as in `Run.log`. Items with `aside=True`, such as system metrics, have separate steps and are
    ignored.
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
            except ConfigError:  # the encoder reports the error and uses the next step
                self._step += 1
            if self._step > self._last:
                self._stop()
        self._take(item)

    def _stop(self) -> NoReturn:
        self._run.end(RunOutcome(reason=f"stopped after step {self._last}, as requested"))
        if threading.current_thread() is not threading.main_thread():
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)  # an exception would end only this thread, not the process
        raise SystemExit(0)
