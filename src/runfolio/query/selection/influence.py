"""Influence of settings: the share of a metric's spread that goes with each of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from runfolio.query.run_view import RunView
from runfolio.record.base.flat_names import identity


def explained_shares(runs: Sequence[RunView], settings: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """Return for each setting the share of the variance that lies between the groups of its values, largest first.

    This is epsilon squared of one setting alone: the correlation ratio less what chance gives, so that a setting
    without influence has about 0 however many values it has. Shares of several settings need not add up to 1. A setting
    is left out if its groups hold fewer than two runs on average.

    Args:
        values: The metric of each run; what is not finite is passed over.
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
    """Return one line on which settings mattered; empty if nothing can be said."""
    listed = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    return f"Share of the spread that each setting explains alone: {listed}." if listed else ""
