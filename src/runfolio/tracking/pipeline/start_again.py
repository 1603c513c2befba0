"""Filter for the log calls of a run that continues without a checkpoint. The script of such a run may start from the
beginning."""

from __future__ import annotations

from collections.abc import Callable

from runfolio.errors import ConfigError
from runfolio.tracking.pipeline.plain_values import whole_step
from runfolio.tracking.pipeline.queue_items import FailedCall, Item, Mark, Media, Scalars


class StartAgain:
    """Filter for log calls that detects whether a script restarts from an earlier step.

    If the first logged step is not after the last recorded step, the points recorded at that step or later are dropped.
    A script that continues after `run.last_step` keeps every point. A script that restarts gets curves without
    duplicate points.
    """

    def __init__(self, last_step: int, take: Callable[[Item], None], drop_from: Callable[[int], None]) -> None:
        """Create a filter for a run whose last recorded step is `last_step`.

        Args:
            drop_from: Function that removes the earlier points at a given step and at later steps.
        """
        self._last_step = last_step
        self._take = take
        self._drop_from = drop_from
        self._is_decided = False

    def __call__(self, item: Item) -> None:
        if not self._is_decided and not isinstance(item, Media | FailedCall | Mark):
            self._decide(item)
        self._take(item)

    def _decide(self, item: Scalars | tuple) -> None:
        self._is_decided = True
        try:
            step = None if item[1] is None else whole_step(item[1])
        except ConfigError:  # the encoder reports the error
            return
        if step is not None and step <= self._last_step:
            self._drop_from(step)
