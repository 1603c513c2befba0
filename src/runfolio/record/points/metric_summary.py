"""Summary of a metric, in a separate module so that tables of runs need not load Arrow."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SYSTEM = "system/"
"""Prefix of the metrics measured by runfolio during the training; their steps are seconds."""
_SYSTEM_METRIC = re.compile(
    rf"{SYSTEM}(?:cpu|process_cpu|memory|memory_mb|cgroup_memory_mb|disk_free_gb|(?:disk_(?:read|write)|network_(?:in|out))"
    r"_mb_per_s|gpu\d+/(?:use|memory_mb|power_w|temperature_c)|data_wait|(?:batches|samples|steps)_per_s)"
)
PER_PARAMETER = ("grad_norm/", "weight_norm/", "update_ratio/", "dead_units/")
"""Prefixes of the metrics of the parameters and layers of a watched model, which are too many for a table."""
WATCHED = frozenset(prefix.rstrip("/") for prefix in PER_PARAMETER)
"""Metrics of a whole watched model."""
AXES = frozenset({"epoch", "samples"})
"""Metrics of the progress of a training. They serve as x axes; tables do not list them as results."""


@dataclass(frozen=True)
class MetricSummary:
    """Summary of one metric. `min`, `max` and `mean` ignore NaN; they are NaN if there is no other value."""

    count: int
    first_step: int
    last_step: int
    last: float
    min: float
    min_step: int
    max: float
    max_step: int
    mean: float
    nan: int
    """Number of values that are NaN."""


def is_system_metric(name: str) -> bool:
    """Return whether the metric was measured by runfolio; any other `system/...` was logged by the training."""
    return name.startswith(SYSTEM) and _SYSTEM_METRIC.fullmatch(name) is not None


def is_watched_metric(name: str) -> bool:
    """Return whether the metric is of a watched model; its steps count optimizer steps."""
    return name in WATCHED or name.startswith(PER_PARAMETER)


def listed_metrics(names: Iterable[str]) -> list[str]:
    """Return the metrics that a table lists, in their order: without axes and those of single parameters and layers."""
    return [name for name in names if name not in AXES and not name.startswith(PER_PARAMETER)]
