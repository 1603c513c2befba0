"""Time that nobody sets: what a run's points, durations and heartbeats are measured by."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

if hasattr(time, "CLOCK_BOOTTIME"):
    steady: Callable[[], float] = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
else:
    steady = time.monotonic
"""Seconds since some moment, the same for all processes of the machine. What it slept counts, where it can tell."""


class Clock:
    """The wall clock as it stood when this was made, carried on by the steady one.

    So the times of one process never go back and their differences are true, although the wall clock be set meanwhile.
    """

    def __init__(self) -> None:
        self._started_s = steady()
        self.offset = time.time() - self._started_s
        """Added to `steady()` it is the time."""

    def now(self) -> float:
        """Seconds since 1970."""
        return steady() + self.offset

    def moment(self, at: float | None = None) -> datetime:
        """Return a time in seconds since 1970, by default now, as a date."""
        return datetime.fromtimestamp(self.now() if at is None else at, UTC)

    def elapsed_s(self, at: float | None = None) -> float:
        """Return the seconds from the making of this clock to a time, by default now; never negative."""
        return max(0.0, (self.now() if at is None else at) - self.offset - self._started_s)
