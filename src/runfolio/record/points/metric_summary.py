"""Summaries of metrics, with values such as the minimum and the mean.

The module does not import Arrow, so tables of runs can use it without loading Arrow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SYSTEM = "system/"
"""Prefix of the metrics that runfolio measures during training. The steps of these metrics are seconds."""
_SYSTEM_METRIC = re.compile(
    rf"{SYSTEM}(?:cpu|process_cpu|memory|memory_mb|cgroup_memory_mb|disk_free_gb|(?:disk_(?:read|write)|network_(?:in|out))"
    r"_mb_per_s|gpu\d+/(?:use|memory_mb|power_w|temperature_c)|data_wait|(?:batches|samples|steps)_per_s)"
)
PER_PARAMETER = ("grad_norm/", "weight_norm/", "update_ratio/", "dead_units/")
"""Prefixes of the metrics that a watched model logs per parameter or layer. A table does not list these metrics,
because there are too many of them."""
WATCHED = frozenset(prefix.rstrip("/") for prefix in PER_PARAMETER)
"""Metrics that a watched model logs for the whole model."""
AXES = frozenset({"epoch", "samples"})
"""Metrics that describe training progress. These metrics serve as x axes. Tables do not list them as results."""


@dataclass(frozen=True)
class MetricSummary:
    """Values that summarize one metric. `min`, `max` and `mean` ignore NaN.

    These three fields are NaN if all values are NaN.
    """

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
    """Return whether runfolio measured the metric. All other `system/...` metrics were logged by the training
    script."""
    return name.startswith(SYSTEM) and _SYSTEM_METRIC.fullmatch(name) is not None


def is_watched_metric(name: str) -> bool:
    """Return whether a watched model logged the metric. The steps of such a metric are optimizer steps."""
    return name in WATCHED or name.startswith(PER_PARAMETER)


def listed_metrics(names: Iterable[str]) -> list[str]:
    """Return the metrics that a table lists, in the given order.

    X axes and metrics per parameter or layer are left out.
    """
    return [name for name in names if name not in AXES and not name.startswith(PER_PARAMETER)]
