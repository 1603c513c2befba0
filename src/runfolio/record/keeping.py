"""Which checkpoints of a run are kept, under which names."""

from __future__ import annotations

from dataclasses import dataclass

from runfolio.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class CheckpointPolicy:
    """When `run.checkpoint` saves, and what is kept. Without `every_steps` and `every_minutes` each call saves.

    With one of them a call saves when it is due, when it has a metric, or when the process was told to go.
    """

    every_steps: int | None = None
    """Due once the step has come to, or past, the next multiple of this; without steps, calls are counted."""
    every_minutes: float | None = None
    """Due so long after the one before."""
    keep_best: int = 1
    """How many are kept by their metric: `best`, `best-2`, `best-3` ..."""
    keep_every: int | None = None
    """Keep one for every so many steps for good, as `step-<step>`."""
    budget_mb: float | None = None
    """Most megabytes (of 1,000,000 bytes) of all together: the oldest `step-...` go first, then the worst of the best
    but `best` itself, then `previous`; `last` and `best` stay."""

    def __post_init__(self) -> None:
        for name in ("every_steps", "every_minutes", "keep_best", "keep_every", "budget_mb"):
            value = getattr(self, name)
            least = 1 if name in ("every_steps", "keep_best", "keep_every") else 0
            if value is not None and not (value >= least and value > 0):
                raise ConfigError(f"{name} is {value}; it must be {'at least 1' if least else 'above 0'}")
