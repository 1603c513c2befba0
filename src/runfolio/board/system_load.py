"""Load of the machine during a run, and the speed of training, by `system/` metrics."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from runfolio.record.points.metric_summary import SYSTEM, MetricSummary


class Gauge(NamedTuple):
    """Presentation of a measurement."""

    group: str
    title: str
    unit: str


_GAUGES = {
    "cpu": Gauge("Processor", "All processors", "%"),
    "process_cpu": Gauge("Processor", "This run", "% of one processor"),
    "data_wait": Gauge("Speed", "Waiting for data", "share of the time"),
    "samples_per_s": Gauge("Speed", "Samples", "per second"),
    "batches_per_s": Gauge("Speed", "Batches", "per second"),
    "steps_per_s": Gauge("Speed", "Steps", "per second"),
    "memory_mb": Gauge("Memory", "This run", "MB"),
    "memory": Gauge("Memory", "Machine", "%"),
    "cgroup_memory_mb": Gauge("Memory", "Container or job", "MB"),
    "disk_free_gb": Gauge("Disk and network", "Free disk space", "GB"),
    "disk_read_mb_per_s": Gauge("Disk and network", "Disk, read", "MB per second"),
    "disk_write_mb_per_s": Gauge("Disk and network", "Disk, written", "MB per second"),
    "network_in_mb_per_s": Gauge("Disk and network", "Network, received", "MB per second"),
    "network_out_mb_per_s": Gauge("Disk and network", "Network, sent", "MB per second"),
}
_GPU_GAUGES = {
    "use": ("use", "%"),
    "memory_mb": ("memory", "MB"),
    "power_w": ("power", "W"),
    "temperature_c": ("temperature", "°C"),
}
_GROUPS = ("Speed", "Processor", "GPU", "Memory", "Disk and network")


def describe_load(metrics: Mapping[str, MetricSummary]) -> list[dict[str, Any]]:
    """Return each measurement with its group, title and unit, and its mean and largest value."""
    described = []
    for name in sorted(metrics):
        gauge, summary = _gauge(name.removeprefix(SYSTEM)), metrics[name]
        values = {
            key: value if math.isfinite(value) else None
            for key, value in (("last", summary.last), ("mean", summary.mean), ("max", summary.max))
        }
        described.append({"metric": name, **gauge._asdict(), **values})
    return sorted(described, key=lambda entry: _GROUPS.index(entry["group"]))


def _gauge(name: str) -> Gauge:
    if match := re.fullmatch(r"gpu(\d+)/(\w+)", name):
        title, unit = _GPU_GAUGES.get(match[2], (match[2], ""))
        return Gauge("GPU", f"GPU {match[1]}, {title}", unit)
    return _GAUGES.get(name, Gauge("Speed", name, ""))
