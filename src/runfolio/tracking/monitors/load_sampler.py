"""The load of the machine and the speed of the training, on a slow timer beside it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from runfolio.tracking.monitors.monitor import MonitoredRun
from runfolio.tracking.monitors.throughput import Throughput
from runfolio.tracking.process.exit_hooks import Ending

log = logging.getLogger("runfolio")
_FIRST_S = 1.0
"""When the first sample is taken, so that short runs have some; shorter ones have none."""
_SHORTEST_S = 0.5
"""Shares and rates over less than this say nothing."""
_END_WAIT_S = 1.0


class Gauge(Protocol):
    """Something that is read again and again."""

    def read(self, elapsed_s: float) -> dict[str, float]:
        """Metrics by name, of the `elapsed_s` seconds since the last reading."""
        ...

    def close(self) -> None: ...


class LoadSampler:
    """Samples the gauges every so often, and once more at the run's end."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._wake = threading.Event()
        self._killed = False

    def start(self, run: MonitoredRun) -> None:
        self._throughput = Throughput(lambda: run.last_step)
        self._thread = threading.Thread(target=self._sample, args=(run,), name=f"runfolio-system-{run.id}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._throughput.close()
            raise

    def stop(self, ending: Ending) -> None:
        self._killed = ending == "killed"
        self._wake.set()
        if not self._killed:
            self._thread.join(_END_WAIT_S)

    def _sample(self, run: MonitoredRun) -> None:
        from runfolio.tracking.monitors.machine_load import (  # psutil and NVML: not in the training thread's time
            GpuGauge,
            MachineGauge,
        )

        gauges: list[Gauge] = [self._throughput]
        for make in (lambda: MachineGauge(run.folder), GpuGauge):
            with _told(run):
                gauges.append(make())
        last = time.monotonic()
        wait_s = due_s = min(_FIRST_S, self._every_s)
        ended = False
        while not (ended or self._killed):
            ended = self._wake.wait(wait_s)
            elapsed_s = time.monotonic() - last
            if elapsed_s >= due_s and not self._killed:
                run.log_system(_read(run, gauges, elapsed_s))
                last += elapsed_s
                wait_s, due_s = self._every_s, min(_SHORTEST_S, self._every_s)
        for gauge in gauges:
            gauge.close()


def _read(run: MonitoredRun, gauges: list[Gauge], elapsed_s: float) -> dict[str, float]:
    """What all gauges say; one that breaks is told of, and not asked again."""
    readings: dict[str, float] = {}
    for gauge in tuple(gauges):
        gauges.remove(gauge)
        with _told(run):
            readings |= gauge.read(elapsed_s)
            gauges.append(gauge)
    return readings


@contextmanager
def _told(run: MonitoredRun) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever a driver or a container's /proc comes up with: the training goes on
        log.warning("run %s: a part of the machine's load is not recorded (%s)", run.id, error)
