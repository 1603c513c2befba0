"""Measurements of runfolio without other trackers."""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import init_cost, processes
from benchmarks.init_cost import InitCost
from runfolio.record.base.layout import find_runs


@dataclass(frozen=True, kw_only=True)
class Size:
    """Amount of work to measure."""

    calls: int
    steps: int
    metrics: int
    encoded: int
    opened: int
    init_rounds: int
    modules: int
    kinds: tuple[str, ...]


FULL = Size(
    calls=1_000_000,
    steps=1_000_000,
    metrics=100_000,
    encoded=20_000,
    opened=7,
    init_rounds=3,
    modules=init_cost.MODULES,
    kinds=tuple(init_cost.KINDS),
)
QUICK = Size(
    calls=20_000,
    steps=10_000,
    metrics=1_000,
    encoded=1_000,
    opened=1,
    init_rounds=1,
    modules=3,
    kinds=tuple(init_cost.KINDS)[-1:],
)
POINTS_A_METRIC = 10
METRICS_A_STEP = 10


@dataclass
class OwnFigures:
    """Results of the measurements of runfolio without other trackers."""

    size: Size
    beside_list: dict[int, dict[str, float]] = field(default_factory=dict)
    """Seconds per call of `run.log` and of `list.append`, keyed by the number of scalars per call."""
    visible_s: float = 0.0
    many_steps: dict[str, Any] = field(default_factory=dict)
    many_metrics: dict[str, float] = field(default_factory=dict)
    encodings: dict[int, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """Results keyed by the number of scalars per call, then by encoding."""
    init: InitCost = field(default_factory=lambda: InitCost({}, {}))


_PYTHON = Path(sys.executable)


def measure(size: Size, msgpack: str | None, report: Callable[[str], None]) -> OwnFigures:
    """Measure everything.

    Args:
        size: Amount of work.
        msgpack: Folder with the package msgpack. If None, msgpack is not measured.
        report: Function that is called with a description of each activity.
    """
    figures = OwnFigures(size)
    for scalars in (1, 10):
        report(f"log calls compared with list.append, {scalars} scalar(s)")
        with processes.fresh_workplace() as workplace:
            figures.beside_list[scalars] = processes.call(
                _PYTHON,
                "own:call_beside_list",
                workplace,
                folder=str(workplace.record),
                scalars=scalars,
                calls=size.calls,
            )
    report("time until a run is visible")
    figures.visible_s = statistics.median(_until_visible() for _ in range(size.opened))
    report(f"{size.steps:,} steps of {METRICS_A_STEP} metrics")
    figures.many_steps = _many_steps(size)
    report(f"{size.metrics:,} metrics")
    figures.many_metrics = _many_metrics(size)
    for scalars in (1, 10):
        report(f"encodings of {scalars} scalar(s)")
        with processes.fresh_workplace() as workplace:
            figures.encodings[scalars] = processes.call(
                _PYTHON, "encodings:measure", workplace, scalars=scalars, calls=size.encoded, msgpack=msgpack
            )
    figures.init = init_cost.measure(size.init_rounds, size.modules, size.kinds, report)
    return figures


def steps(size: Size) -> int:
    """Return how often `measure` calls `report`."""
    return 7 + size.init_rounds * len(size.kinds)


def _until_visible() -> float:
    """Return the seconds from the start of `runfolio.init` until a reader finds the run. The time includes the
    imports."""
    with processes.fresh_workplace() as workplace:
        began, sightings = workplace.folder / "began", list[float]()

        def look() -> None:
            while not sightings:
                if any(find_runs(workplace.record)):
                    sightings.append(time.time())
                time.sleep(0.0005)

        watching = threading.Thread(target=look)
        watching.start()
        try:
            arguments = {"folder": str(workplace.record), "began": str(began)}
            processes.kill(_PYTHON, "own:open_run", workplace, began, 0.5, 0.0, **arguments)
        finally:
            sightings.append(time.time())
            watching.join()
        return sightings[0] - began.stat().st_mtime


def _many_steps(size: Size) -> dict[str, Any]:
    with processes.fresh_workplace() as workplace:
        figures = processes.call(
            _PYTHON, "own:many_steps", workplace, folder=str(workplace.record), steps=size.steps, metrics=METRICS_A_STEP
        )
        files = [path for path in workplace.record.rglob("*") if path.is_file()]
        return {**figures, "bytes": workplace.record_bytes() / figures["points"], "files": len(files)}


def _many_metrics(size: Size) -> dict[str, float]:
    with processes.fresh_workplace() as workplace:
        folder = str(workplace.record)
        figures = processes.call(
            _PYTHON, "own:many_metrics", workplace, folder=folder, metrics=size.metrics, points=POINTS_A_METRIC
        )
        reading = processes.call(_PYTHON, "own:read_one_metric", workplace, folder=folder)
        return {**figures, **reading}
