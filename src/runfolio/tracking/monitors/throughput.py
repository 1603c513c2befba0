"""Measurement of the training speed and of the fraction of time that training waits for data. The training script needs
no changes.

While a run is open, each call of `__next__` of torch's DataLoader iterators is timed. If a loader uses another loader,
only the outer loader counts. If other code has wrapped `__next__`, the wrapper is kept.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

_LOADER = "torch.utils.data.dataloader"
_ITERATOR = "_BaseDataLoaderIter"
_DEPTH = 4
"""Maximum depth of nested lists and dicts in which the first tensor of a batch is searched."""


class _Totals:
    """Totals of all data loaders since the start of the process."""

    __slots__ = ("batches", "inside", "readers", "samples", "waited_s")

    def __init__(self) -> None:
        self.waited_s = 0.0
        self.batches = 0
        self.samples = 0
        self.inside = False
        """True while a call of a loader is being timed. Loaders that this loader uses are not counted."""
        self.readers = 0
        """Number of open runs that read the totals. Nothing is timed while no run is open."""


_totals = _Totals()
_timed: Callable[[Any], Any] | None = None
"""Replacement for `__next__` of the iterators, or None while it is not installed."""


class Throughput:
    """Gauge (source of metrics) that returns the training speed since the last reading."""

    def __init__(self, step: Callable[[], int]) -> None:
        """Start measuring.

        Args:
            step: Function that returns the step of the run's last log call.
        """
        self._step = step
        self._before = self._now()
        _totals.readers += 1
        _time_loaders()

    def read(self, elapsed_s: float) -> dict[str, float]:
        """Return `system/...` metrics for the last `elapsed_s` seconds. The dict is empty if nothing was loaded or
        logged."""
        _time_loaders()  # torch may have been imported in the meantime
        before, self._before = self._before, self._now()
        waited_s, batches, samples, steps = (now - then for now, then in zip(self._before, before, strict=True))
        metrics = {}
        if batches:
            metrics["system/data_wait"] = min(1.0, waited_s / elapsed_s)
            metrics["system/batches_per_s"] = batches / elapsed_s
        if samples:
            metrics["system/samples_per_s"] = samples / elapsed_s
        if steps > 0:
            metrics["system/steps_per_s"] = steps / elapsed_s
        return metrics

    def close(self) -> None:
        _totals.readers -= 1
        if not _totals.readers:
            _restore_loaders()

    def _now(self) -> tuple[float, int, int, int]:
        return _totals.waited_s, _totals.batches, _totals.samples, self._step()


def _time_loaders() -> None:
    """Replace `__next__` of the iterators with a timed version, if torch is imported and `__next__` is not replaced
    yet."""
    global _timed
    iterator: Any = getattr(sys.modules.get(_LOADER), _ITERATOR, None)
    if _timed is None and hasattr(iterator, "__next__"):
        _timed = _time_calls(iterator.__next__)
        iterator.__next__ = _timed


def _restore_loaders() -> None:
    """Restore the original `__next__`. If other code has wrapped the replacement, the replacement stays and only calls
    the original."""
    global _timed
    iterator: Any = getattr(sys.modules.get(_LOADER), _ITERATOR, None)
    if _timed is not None and vars(iterator).get("__next__") is _timed:
        iterator.__next__ = _timed.__wrapped__  # type: ignore[attr-defined] - `wraps` has set it
        _timed = None


def _time_calls(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    totals, clock = _totals, time.perf_counter

    @functools.wraps(original)
    def timed(batches: Any) -> Any:
        if totals.inside or not totals.readers:
            return original(batches)
        totals.inside = True
        began = clock()
        try:
            batch = original(batches)
        finally:
            totals.waited_s += clock() - began
            totals.inside = False
        totals.batches += 1
        totals.samples += samples_in(batch)
        return batch

    return timed


def samples_in(batch: Any) -> int:
    """Return the length of a batch's first tensor, or 0 if the batch has no tensor."""
    for _ in range(_DEPTH):
        shape = getattr(batch, "shape", None)
        if shape is not None:
            return shape[0] if len(shape) else 0
        if isinstance(batch, Mapping):
            batch = next(iter(batch.values()), None)
        elif isinstance(batch, (list, tuple)) and batch:
            batch = batch[0]
        else:
            return 0
    return 0
