"""A metric in short. A module of its own, so that tables of runs need not load Arrow."""

from __future__ import annotations

from dataclasses import dataclass

SYSTEM = "system/"
"""How the names of metrics begin that were measured beside the training; their steps are seconds."""


@dataclass(frozen=True)
class MetricSummary:
    """What a table shows of one metric. `min` and `max` pass over NaN; they are NaN where there is nothing else."""

    count: int
    first_step: int
    last_step: int
    last: float
    min: float
    min_step: int
    max: float
    max_step: int
    nan: int
    """How many values are NaN."""
