"""Clock for points, durations and heartbeats. Changes of the system clock do not affect this clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

if hasattr(time, "CLOCK_BOOTTIME"):
    steady: Callable[[], float] = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
else:
    steady = time.monotonic
"""Function that returns the seconds since a fixed moment. All processes of the machine share this moment. If possible,
the seconds include the time during which the machine was asleep."""


class Clock:
    """Clock that reads the wall clock once, at its creation, and then advances with the steady clock.

    Therefore, the times of one process never decrease, even if the wall clock is changed in the meantime.
    """

    def __init__(self) -> None:
        self._started_s = steady()
        self.offset = time.time() - self._started_s
        """Difference between the wall-clock time and `steady()`."""

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return steady() + self.offset

    def moment(self, at: float | None = None) -> datetime:
        """Return a time, given in seconds since 1970, as a datetime. The default is the current time."""
        return datetime.fromtimestamp(self.now() if at is None else at, UTC)

    def elapsed_s(self, at: float | None = None) -> float:
        """Return the seconds from the creation of this clock to `at` (default: the current time). The result is never
        negative."""
        return max(0.0, (self.now() if at is None else at) - self.offset - self._started_s)
