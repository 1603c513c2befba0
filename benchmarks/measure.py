"""Measurements of one logger. They run in a fresh process of the logger's environment, so this module imports only the
standard library."""

from __future__ import annotations

import gc
import math
import os
import random
import struct
import time
from array import array
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.loggers import LOGGERS, METRIC

WARM_UP = 100
"""Number of calls before the clock starts, since the first calls import modules and open files."""
ACKNOWLEDGED = struct.Struct("<qd")
"""Binary format of a record. It contains the number of a step whose log call has returned, and the time of the
return."""


def losses(scalars: int, calls: int) -> list[dict[str, float]]:
    """Return values like those of a training script: falling float32 curves with noise, identical in every process."""
    noise = random.Random(42).random
    names = [f"loss/{number}" for number in range(scalars)]
    levels = (math.exp(-3 * step / calls) for step in range(calls))
    return [dict(zip(names, array("f", [level + 0.2 * noise() for _ in names]), strict=True)) for level in levels]


def version(logger: str) -> str:
    package = LOGGERS[logger].package
    return metadata.version(package) if package else ""


def first(logger: str, folder: str) -> dict[str, float]:
    """Measure the seconds from the start of the logger's import until the first log call has returned."""
    began = time.perf_counter()
    run = LOGGERS[logger](Path(folder))
    run.log({METRIC: 1.0}, 0)
    seconds = time.perf_counter() - began
    run.durable()
    run.finish()
    return {"seconds": seconds}


def burst(logger: str, folder: str, scalars: int, calls: int, limit_s: float) -> dict[str, float]:
    """Measure consecutive log calls, and the time until all points are durable.

    At most `calls` calls are made, for at most `limit_s` seconds. The time of a call is the time between two readings
    of the clock. It includes the time that the logger's threads take from the training thread.
    """
    values = losses(scalars, calls + WARM_UP)
    run = LOGGERS[logger](Path(folder))
    log, clock = run.log, time.perf_counter_ns
    for step in range(WARM_UP):
        log(values[step], step)
    took = array("q", bytes(8 * calls))
    gc.collect()
    gc.freeze()  # a training script does not hold all values in memory
    began = last = clock()
    until = began + int(limit_s * 1e9)
    count = 0
    while count < calls and last < until:
        log(values[count + WARM_UP], count + WARM_UP)
        now = clock()
        took[count] = now - last
        last = now
        count += 1
    run.durable()
    durable_s = (clock() - began) / 1e9
    run.finish()
    return {
        **_spread(took[:count]),
        "calls": count,
        "points_per_s": count * scalars / durable_s,
        "points": (count + WARM_UP) * scalars,
    }


def paced(logger: str, folder: str, rate: int, seconds: float) -> dict[str, float]:
    """Measure log calls with one scalar at `rate` calls per second. Each call is timed separately, since scripts train
    between calls."""
    calls = int(rate * seconds)
    values = losses(1, calls + WARM_UP)
    run = LOGGERS[logger](Path(folder))
    log, clock, sleep = run.log, time.perf_counter, time.sleep
    for step in range(WARM_UP):
        log(values[step], step)
    took = array("q", bytes(8 * calls))
    gc.collect()
    gc.freeze()
    began = clock()
    count = 0
    while count < calls and clock() < began + 1.1 * seconds:
        if (early := began + count / rate - clock()) > 0:
            sleep(early)
        before = time.perf_counter_ns()
        log(values[count + WARM_UP], count + WARM_UP)
        took[count] = time.perf_counter_ns() - before
        count += 1
    run.durable()
    seals = len(list(Path(folder).rglob("segment-*.parquet")))
    run.finish()
    return {**_spread(took[:count]), "calls": count, "wanted": calls, "points": count + WARM_UP, "seals": seals}


def log_until_killed(logger: str, folder: str, acknowledged: str) -> None:
    """Log one point per millisecond, or as fast as possible if the logger is slower. Record each step whose call has
    returned."""
    run = LOGGERS[logger](Path(folder))
    descriptor = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    began, step = time.perf_counter(), 0
    while True:
        run.log({METRIC: float(step)}, step)
        os.write(descriptor, ACKNOWLEDGED.pack(step, time.time()))
        step += 1
        if (early := began + step / 1000 - time.perf_counter()) > 0:
            time.sleep(early)


def read(logger: str, folder: str) -> list[float]:
    return LOGGERS[logger].read(Path(folder))


def _spread(took_ns: Sequence[int]) -> dict[str, Any]:
    """Return mean, median, p99, p99.9 and maximum of the call times, in µs."""
    ordered = sorted(took_ns)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1e3

    return {
        "mean": sum(ordered) / len(ordered) / 1e3,
        "p50": at(0.5),
        "p99": at(0.99),
        "p999": at(0.999),
        "max": ordered[-1] / 1e3,
    }
