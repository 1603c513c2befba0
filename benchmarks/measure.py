"""What is measured of each logger, in a fresh process of its environment. The standard library alone is imported."""

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
"""Calls before the clock starts: the first ones import and open what they need."""
ACKNOWLEDGED = struct.Struct("<qd")
"""A step whose log call has returned, and when."""


def losses(scalars: int, calls: int) -> list[dict[str, float]]:
    """What a training logs: falling curves with noise, of float32 precision, the same in every process."""
    noise = random.Random(42).random
    names = [f"loss/{number}" for number in range(scalars)]
    levels = (math.exp(-3 * step / calls) for step in range(calls))
    return [dict(zip(names, array("f", [level + 0.2 * noise() for _ in names]), strict=True)) for level in levels]


def version(logger: str) -> str:
    package = LOGGERS[logger].package
    return metadata.version(package) if package else ""


def first(logger: str, folder: str) -> dict[str, float]:
    """Seconds from before its import until the first log call has returned."""
    began = time.perf_counter()
    opened = LOGGERS[logger](Path(folder))
    opened.log({METRIC: 1.0}, 0)
    seconds = time.perf_counter() - began
    opened.durable()
    opened.finish()
    return {"seconds": seconds}


def burst(logger: str, folder: str, scalars: int, calls: int, limit_s: float) -> dict[str, float]:
    """As many calls as `calls` and `limit_s` allow, one after the other, then what it takes until all is durable.

    A call's time is that between two looks at the clock, so that whatever a thread of the logger's takes from the
    training is in it.
    """
    values = losses(scalars, calls + WARM_UP)
    opened = LOGGERS[logger](Path(folder))
    log, clock = opened.log, time.perf_counter_ns
    for step in range(WARM_UP):
        log(values[step], step)
    took = array("q", bytes(8 * calls))
    gc.collect()
    gc.freeze()  # the values that wait to be logged are no part of a training
    began = last = clock()
    until = began + int(limit_s * 1e9)
    done = 0
    while done < calls and last < until:
        log(values[done + WARM_UP], done + WARM_UP)
        now = clock()
        took[done] = now - last
        last = now
        done += 1
    opened.durable()
    durable_s = (clock() - began) / 1e9
    opened.finish()
    return {
        **_spread(took[:done]),
        "calls": done,
        "points_per_s": done * scalars / durable_s,
        "points": (done + WARM_UP) * scalars,
    }


def paced(logger: str, folder: str, rate: int, seconds: float) -> dict[str, float]:
    """Calls of one scalar, `rate` a second, each timed by itself, as in a training that does something in between."""
    calls = int(rate * seconds)
    values = losses(1, calls + WARM_UP)
    opened = LOGGERS[logger](Path(folder))
    log, clock, sleep = opened.log, time.perf_counter, time.sleep
    for step in range(WARM_UP):
        log(values[step], step)
    took = array("q", bytes(8 * calls))
    gc.collect()
    gc.freeze()
    began = clock()
    done = 0
    while done < calls and clock() < began + 1.1 * seconds:
        if (early := began + done / rate - clock()) > 0:
            sleep(early)
        before = time.perf_counter_ns()
        log(values[done + WARM_UP], done + WARM_UP)
        took[done] = time.perf_counter_ns() - before
        done += 1
    opened.durable()
    seals = len(list(Path(folder).rglob("segment-*.parquet")))
    opened.finish()
    return {**_spread(took[:done]), "calls": done, "wanted": calls, "points": done + WARM_UP, "seals": seals}


def log_until_killed(logger: str, folder: str, acknowledged: str) -> None:
    """A point a millisecond, or as fast as it goes; each step is acknowledged once its call has returned."""
    opened = LOGGERS[logger](Path(folder))
    descriptor = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    began, step = time.perf_counter(), 0
    while True:
        opened.log({METRIC: float(step)}, step)
        os.write(descriptor, ACKNOWLEDGED.pack(step, time.time()))
        step += 1
        if (early := began + step / 1000 - time.perf_counter()) > 0:
            time.sleep(early)


def read(logger: str, folder: str) -> list[float]:
    return LOGGERS[logger].read(Path(folder))


def _spread(took_ns: Sequence[int]) -> dict[str, Any]:
    """Mean, median, p99, p99.9 and maximum of calls, in µs."""
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
