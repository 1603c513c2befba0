"""Branch of a run that continues without a checkpoint, whose script may start from the beginning."""

from __future__ import annotations

from collections.abc import Callable

from runfolio.errors import ConfigError
from runfolio.tracking.pipeline.plain_values import whole_step
from runfolio.tracking.pipeline.queue_items import FailedCall, Item, Mark, Media, Scalars


class StartAgain:
    """Filter that detects a restart: if the first logged step is not after the last one, later points are dropped.

    A script that continues at `run.last_step` keeps every point. One that restarts gets a curve without duplicates.
    """

    def __init__(self, last_step: int, take: Callable[[Item], None], drop_from: Callable[[int], None]) -> None:
        """Create a filter.

        Args:
            drop_from: Removes the points from a step on from the newest branch.
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
        except ConfigError:  # reported by the encoder
            return
        if step is not None and step <= self._last_step:
            self._drop_from(step)
