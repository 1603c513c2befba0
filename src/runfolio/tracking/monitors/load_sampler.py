"""Periodic sampling of machine load and training speed."""

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
"""Delay before the first sample, in seconds. The delay is short, so that even short runs have a sample."""
_SHORTEST_S = 0.5
"""Minimum interval between two samples, in seconds. Percentages and rates are not meaningful for shorter intervals."""
_END_WAIT_S = 1.0


class Gauge(Protocol):
    """Source of system metrics, which is read periodically."""

    def read(self, elapsed_s: float) -> dict[str, float]:
        """Return metrics by name for the `elapsed_s` seconds since the last reading."""
        ...

    def close(self) -> None: ...


class LoadSampler:
    """Monitor that reads all gauges at a fixed interval, and once more at the end of the run. A gauge is a source of
    system metrics."""

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
        # An import of psutil and NVML on the training thread would delay training.
        from runfolio.tracking.monitors.machine_load import GpuGauge, MachineGauge

        gauges: list[Gauge] = [self._throughput]
        for make in (lambda: MachineGauge(run.folder), GpuGauge):
            with _log_failures(run):
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
    """Return the metrics of all gauges (sources of metrics). A gauge that fails is not read again."""
    readings: dict[str, float] = {}
    for gauge in tuple(gauges):
        gauges.remove(gauge)
        with _log_failures(run):
            readings |= gauge.read(elapsed_s)
            gauges.append(gauge)
    return readings


@contextmanager
def _log_failures(run: MonitoredRun) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # drivers and the /proc of a container can raise any error, but training must continue
        log.warning("run %s: part of the machine's load is not recorded (%s)", run.id, error)
