"""The branch of a run that continues without a checkpoint, whose script may start again."""

from __future__ import annotations

from collections.abc import Callable

from runfolio.errors import ConfigError
from runfolio.tracking.pipeline.plain_values import whole_step
from runfolio.tracking.pipeline.queue_items import FailedCall, Item, Mark, Media, Scalars


class StartAgain:
    """Passes items on; if the first step logged is not after the last one, the points from there on are dropped.

    A script that continues by `run.last_step` keeps every point. One that starts again gets a curve without doubles.
    """

    def __init__(self, last_step: int, take: Callable[[Item], None], drop_from: Callable[[int], None]) -> None:
        """Args:
        drop_from: Takes the points from a step on off the newest branch.
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
        except ConfigError:  # reported where the item is encoded
            return
        if step is not None and step <= self._last_step:
            self._drop_from(step)
