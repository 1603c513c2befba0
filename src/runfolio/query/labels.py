"""Short names for the runs of one table or picture, no two of them the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from runfolio.query.recorded import RecordedRun


def labels(runs: Sequence[RecordedRun]) -> list[str]:
    """Each run's name; where several share it, with the id; where a copied folder shares that too, its folder."""
    names = Counter(run.name for run in runs)
    named = [run.name if names[run.name] == 1 else f"{run.name} ({run.id})" for run in runs]
    seen = Counter(named)
    return [label if seen[label] == 1 else run.place for label, run in zip(named, runs, strict=True)]
