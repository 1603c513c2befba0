"""The driver of what is measured of runfolio alone."""

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
    """How much is measured."""

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
class Alone:
    """Figures of runfolio alone."""

    size: Size
    beside_list: dict[int, dict[str, float]] = field(default_factory=dict)
    """By scalars a call."""
    visible_s: float = 0.0
    many_steps: dict[str, Any] = field(default_factory=dict)
    many_metrics: dict[str, float] = field(default_factory=dict)
    encodings: dict[int, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """By scalars a call, then by encoding."""
    init: InitCost = field(default_factory=lambda: InitCost({}, {}))


_PYTHON = Path(sys.executable)


def measure(size: Size, msgpack: str | None, tell: Callable[[str], None]) -> Alone:
    """All of it. `msgpack` is where that package, which runfolio does not need, can be imported from, if anywhere."""
    found = Alone(size)
    for scalars in (1, 10):
        tell(f"log calls beside list.append, {scalars} scalar(s)")
        with processes.place() as where:
            found.beside_list[scalars] = processes.call(
                _PYTHON, "own:call_beside_list", where, folder=str(where.record), scalars=scalars, calls=size.calls
            )
    tell("until a run is visible")
    found.visible_s = statistics.median(_until_visible() for _ in range(size.opened))
    tell(f"{size.steps:,} steps of {METRICS_A_STEP} metrics")
    found.many_steps = _many_steps(size)
    tell(f"{size.metrics:,} metrics")
    found.many_metrics = _many_metrics(size)
    for scalars in (1, 10):
        tell(f"encodings of {scalars} scalar(s)")
        with processes.place() as where:
            found.encodings[scalars] = processes.call(
                _PYTHON, "encodings:measure", where, scalars=scalars, calls=size.encoded, msgpack=msgpack
            )
    found.init = init_cost.measure(size.init_rounds, size.modules, size.kinds, tell)
    return found


def steps(size: Size) -> int:
    """How many times `measure` tells what it does."""
    return 7 + size.init_rounds * len(size.kinds)


def _until_visible() -> float:
    """Seconds from before `import runfolio` until a reader finds the run in the store."""
    with processes.place() as where:
        began, seen = where.folder / "began", list[float]()

        def look() -> None:
            while not seen:
                if any(find_runs(where.record)):
                    seen.append(time.time())
                time.sleep(0.0005)

        watching = threading.Thread(target=look)
        watching.start()
        try:
            arguments = {"folder": str(where.record), "began": str(began)}
            processes.kill(_PYTHON, "own:open_run", where, began, 0.5, 0.0, **arguments)
        finally:
            seen.append(time.time())
            watching.join()
        return seen[0] - began.stat().st_mtime


def _many_steps(size: Size) -> dict[str, Any]:
    with processes.place() as where:
        figures = processes.call(
            _PYTHON, "own:many_steps", where, folder=str(where.record), steps=size.steps, metrics=METRICS_A_STEP
        )
        files = [path for path in where.record.rglob("*") if path.is_file()]
        return {**figures, "bytes": where.record_bytes() / figures["points"], "files": len(files)}


def _many_metrics(size: Size) -> dict[str, float]:
    with processes.place() as where:
        folder = str(where.record)
        figures = processes.call(
            _PYTHON, "own:many_metrics", where, folder=folder, metrics=size.metrics, points=POINTS_A_METRIC
        )
        reading = processes.call(_PYTHON, "own:read_one_metric", where, folder=folder)
        return {**figures, **reading}
