"""Load of the machine during a run, and the speed of training, from the `system/...` metrics."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from runfolio.record.points.metric_summary import SYSTEM, MetricSummary


class LoadTitle(NamedTuple):
    """Group, title and unit under which the page shows a measurement."""

    group: str
    title: str
    unit: str


_TITLES = {
    "cpu": LoadTitle("Processor", "All processors", "%"),
    "process_cpu": LoadTitle("Processor", "This run", "% of one processor"),
    "data_wait": LoadTitle("Speed", "Waiting for data", "share of the time"),
    "samples_per_s": LoadTitle("Speed", "Samples", "per second"),
    "batches_per_s": LoadTitle("Speed", "Batches", "per second"),
    "steps_per_s": LoadTitle("Speed", "Steps", "per second"),
    "memory_mb": LoadTitle("Memory", "This run", "MB"),
    "memory": LoadTitle("Memory", "Machine", "%"),
    "cgroup_memory_mb": LoadTitle("Memory", "Container or job", "MB"),
    "disk_free_gb": LoadTitle("Disk and network", "Free disk space", "GB"),
    "disk_read_mb_per_s": LoadTitle("Disk and network", "Disk, read", "MB per second"),
    "disk_write_mb_per_s": LoadTitle("Disk and network", "Disk, written", "MB per second"),
    "network_in_mb_per_s": LoadTitle("Disk and network", "Network, received", "MB per second"),
    "network_out_mb_per_s": LoadTitle("Disk and network", "Network, sent", "MB per second"),
}
_GPU_TITLES = {
    "use": ("use", "%"),
    "memory_mb": ("memory", "MB"),
    "power_w": ("power", "W"),
    "temperature_c": ("temperature", "°C"),
}
_GROUPS = ("Speed", "Processor", "GPU", "Memory", "Disk and network")


def describe_load(metrics: Mapping[str, MetricSummary]) -> list[dict[str, Any]]:
    """Return each measurement with its group, title and unit, and with its last, mean and largest values."""
    described = []
    for name in sorted(metrics):
        title, summary = _title(name.removeprefix(SYSTEM)), metrics[name]
        values = {
            key: value if math.isfinite(value) else None
            for key, value in (("last", summary.last), ("mean", summary.mean), ("max", summary.max))
        }
        described.append({"metric": name, **title._asdict(), **values})
    return sorted(described, key=lambda entry: _GROUPS.index(entry["group"]))


def _title(name: str) -> LoadTitle:
    if match := re.fullmatch(r"gpu(\d+)/(\w+)", name):
        title, unit = _GPU_TITLES.get(match[2], (match[2], ""))
        return LoadTitle("GPU", f"GPU {match[1]}, {title}", unit)
    return _TITLES.get(name, LoadTitle("Speed", name, ""))
