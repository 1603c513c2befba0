"""Measurements of runfolio in a fresh process: a log call compared with `list.append`, a long run, and a run with many
metrics."""

from __future__ import annotations

import itertools
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import runfolio
from benchmarks.measure import losses

_DIFFERENT = 1000
"""Number of dicts of values. They are created once and logged repeatedly, so creating values takes no time."""


def call_beside_list(folder: str, scalars: int, calls: int) -> dict[str, float]:
    """Measure the seconds per call of `run.log`, and of `list.append` before and after it, in this process."""
    pool = losses(scalars, _DIFFERENT)

    def values() -> Iterator[dict[str, float]]:
        return itertools.islice(itertools.cycle(pool), calls)

    def bare() -> float:
        rows = []
        began = time.perf_counter()
        for step, scalars_by_name in enumerate(values()):
            rows.append((time.time(), step, dict(scalars_by_name)))
        return time.perf_counter() - began

    before = bare()
    with runfolio.init("bench", store=folder) as run:
        began = time.perf_counter()
        for step, scalars_by_name in enumerate(values()):
            run.log(scalars_by_name, step)
        logging = time.perf_counter() - began
    after = bare()
    return {"log": logging / calls, "list": (before + after) / 2 / calls}


def open_run(folder: str, began: str) -> None:
    """Create the file `began`, open a run, and wait until this process is killed."""
    Path(began).touch()
    runfolio.init("bench", store=folder)
    time.sleep(60)


def many_steps(folder: str, steps: int, metrics: int) -> dict[str, Any]:
    """Measure the duration of one long run in seconds, and its growth of resident memory in MB.

    `resident_mb` lists the growth after each tenth of the steps. The number of steps must be a multiple of 10,000.
    """
    names = [f"loss/{number}" for number in range(metrics)]
    chance = np.random.default_rng(42)
    before = _memory_mb("VmHWM")
    resident = []
    with runfolio.init("bench", store=folder) as run:
        began = time.perf_counter()
        for start in range(0, steps, 1000):
            noise = chance.normal(1.0, 0.1, (1000, metrics)).astype(np.float32)
            for step, row in enumerate((noise * np.float32(0.999 ** (start / 1000))).tolist(), start):
                run.log(dict(zip(names, row, strict=True)), step)
            if (start + 1000) % (steps // 10) == 0:
                resident.append(_memory_mb("VmRSS") - before)
        logged = time.perf_counter() - began
        run.flush()
        durable = time.perf_counter() - began
        peak = _memory_mb("VmHWM")
    return {
        "logged_s": logged,
        "durable_s": durable,
        "finish_s": time.perf_counter() - began - durable,
        "resident_mb": resident,
        "peak_mb": peak - before,
        "finish_peak_mb": _memory_mb("VmHWM") - before,
        "helper_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "points": steps * metrics,
    }


def many_metrics(folder: str, metrics: int, points: int) -> dict[str, float]:
    """Measure one run with very many metrics. Each call logs a thousand of them."""
    names = [f"layer/{number}/norm" for number in range(metrics)]
    began = time.perf_counter()
    with runfolio.init("bench", store=folder) as run:
        for step in range(points):
            for start in range(0, metrics, 1000):
                run.log(dict.fromkeys(names[start : start + 1000], step + start / 7), step)
        logged = time.perf_counter() - began
        run.flush()
        durable = time.perf_counter() - began
    return {"logged_s": logged, "durable_s": durable, "finish_s": time.perf_counter() - began - durable}


def read_one_metric(folder: str) -> dict[str, float]:
    """Measure the seconds to open a run's points, to list its metrics, and to read one metric."""
    from runfolio.record.base.layout import find_runs
    from runfolio.record.points.reader import PointFiles

    (run,) = find_runs(Path(folder))
    began = time.perf_counter()
    points = PointFiles(run)
    opened = time.perf_counter()
    names = points.names()
    listed = time.perf_counter()
    point_count = len(points.read(names[len(names) // 2]))
    return {
        "open": opened - began,
        "names": listed - opened,
        "read": time.perf_counter() - listed,
        "metrics": len(names),
        "points": point_count,
    }


def _memory_mb(kind: str) -> float:
    """Return the current (VmRSS) or maximum (VmHWM) resident memory in MB. `ru_maxrss` would include the parent's
    memory."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(kind))
    return int(line.split()[1]) / 1024
