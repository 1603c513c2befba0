"""Influence of settings: the fraction of a metric's variance that each setting explains."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from runfolio.query.run_view import RunView
from runfolio.record.base.flat_names import identity


def explained_shares(runs: Sequence[RunView], settings: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """Return the fraction of the variance that each setting explains alone, largest first.

    The fraction is epsilon squared, which is the correlation ratio corrected for chance. For a setting without
    influence, the fraction is about 0, no matter how many different values the setting has. The fractions need not add
    up to 1. A setting is omitted if it has fewer than two runs per value on average.

    Args:
        runs: Runs to analyse.
        settings: Names of the settings.
        values: Value of the metric for each run. Values that are not finite are ignored.

    Source: T. L. Kelley, An unbiased correlation ratio measure, PNAS 21 (1935)
    """
    pairs = [(run, value) for run, value in zip(runs, values, strict=True) if math.isfinite(value)]
    if len(pairs) < 4:
        return {}
    mean = statistics.fmean(value for _, value in pairs)
    total = sum((value - mean) ** 2 for _, value in pairs)
    shares: dict[str, float] = {}
    for name in settings:
        groups: dict[str, list[float]] = {}
        for run, value in pairs:
            groups.setdefault(identity(run.flat_config.get(name)), []).append(value)
        if 1 < len(groups) <= len(pairs) / 2 and total:
            between = sum(len(group) * (statistics.fmean(group) - mean) ** 2 for group in groups.values())
            within_variance = (total - between) / (len(pairs) - len(groups))
            shares[name] = max(0.0, 1 - within_variance / (total / (len(pairs) - 1)))
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def shares_sentence(shares: Mapping[str, float]) -> str:
    """Return a sentence that lists the explained fractions, or an empty string if there are none."""
    listed = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    return f"Share of the variance that each setting explains alone: {listed}." if listed else ""
