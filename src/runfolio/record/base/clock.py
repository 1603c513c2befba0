"""Time that does not change when the clock is set, for points, durations and heartbeats."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

if hasattr(time, "CLOCK_BOOTTIME"):
    steady: Callable[[], float] = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
else:
    steady = time.monotonic
"""Seconds since a moment that all processes of the machine share. Time asleep counts, if the system supports that."""


class Clock:
    """Wall clock at its creation, continued by the steady clock.

    The times of one process therefore never decrease, even if the wall clock is set in the meantime.
    """

    def __init__(self) -> None:
        self._started_s = steady()
        self.offset = time.time() - self._started_s
        """Difference between the time and `steady()`."""

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return steady() + self.offset

    def moment(self, at: float | None = None) -> datetime:
        """Return a time in seconds since 1970, by default now, as a date."""
        return datetime.fromtimestamp(self.now() if at is None else at, UTC)

    def elapsed_s(self, at: float | None = None) -> float:
        """Return the seconds from the creation of this clock to a time, by default now; never negative."""
        return max(0.0, (self.now() if at is None else at) - self.offset - self._started_s)
