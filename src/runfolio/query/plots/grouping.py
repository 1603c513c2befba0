"""Runs that differ only in what does not matter (a seed), as one curve: their mean and how far they spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import ConfigError, NotFound
from runfolio.query.run import RecordedRun
from runfolio.query.tables.runs_table import cell, every_column, full_name

Spread = Literal["minmax", "std"]
SPREADS: dict[Spread, str] = {"minmax": "lowest to highest", "std": "± 1 standard deviation"}
"""What a band shows, in words."""
_COMMON_POINTS = 1000


def groups(runs: Sequence[RecordedRun], group_by: Sequence[str]) -> dict[str, list[RecordedRun]]:
    """The runs by label, such as `model=mlp lr=0.1`.

    Args:
        group_by: Columns as a table of runs knows them, a setting by its name alone. With `-` before every one: by
            all settings in which the runs differ, but those.
    Raises:
        ConfigError: Some have a `-` and some not.
        NotFound: There is no such column; the message names the nearest.
    """
    known = every_column(runs)
    excluded = [name.startswith("-") for name in group_by]
    if any(excluded) and not all(excluded):
        raise ConfigError(f"group by {','.join(group_by)}: either all names have a - before them, or none")
    named = [_column(name.removeprefix("-"), known) for name in group_by]
    columns = [column for column in differing_settings(runs) if column not in named] if all(excluded) else named
    found: dict[str, list[RecordedRun]] = {}
    for run in runs:
        found.setdefault(" ".join(_said(run, column) for column in columns) or "all runs", []).append(run)
    return found


def differing_settings(runs: Sequence[RecordedRun]) -> list[str]:
    """The columns of the settings in which the runs differ, or which some of them lack."""
    settings = [column for column in every_column(runs) if column.startswith("params.")]
    return [column for column in settings if len({_shown(cell(run, column)) for run in runs}) > 1]


@dataclass(frozen=True, eq=False)
class Mean:
    """Several curves as one; all arrays [n]."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    """NaN where there is no curve."""
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.intp]
    """How many curves there are at each x."""
    interpolated: bool
    """Whether the curves have points at different x, and so were drawn straight between their own."""


def mean(curves: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], spread: Spread) -> Mean:
    """The mean of curves (x ascending, y), each as far as it goes; what is not finite is left out."""
    finite = [(x[np.isfinite(y)], y[np.isfinite(y)]) for x, y in curves]
    finite = [(x, y) for x, y in finite if len(x)]
    if not finite:
        empty = np.empty(0)
        return Mean(empty, empty, empty, empty, np.empty(0, np.intp), interpolated=False)
    x = np.unique(np.concatenate([x for x, _ in finite]))
    interpolated = any(not np.array_equal(x, own) for own, _ in finite)
    if interpolated and len(x) > _COMMON_POINTS:
        x = np.linspace(x[0], x[-1], _COMMON_POINTS)
    rows = np.stack([np.interp(x, own, y, left=np.nan, right=np.nan) if interpolated else y for own, y in finite])
    there = ~np.isnan(rows)
    count = there.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = np.where(there, rows, 0.0).sum(axis=0) / count
        squares = np.where(there, (rows - middle) ** 2, 0.0).sum(axis=0)
        deviation = np.sqrt(squares / np.maximum(count - 1, 1))
    if spread == "std":
        return Mean(x, middle, middle - deviation, middle + deviation, count, interpolated)
    low, high = np.where(there, rows, np.inf).min(axis=0), np.where(there, rows, -np.inf).max(axis=0)
    return Mean(x, middle, np.where(count, low, np.nan), np.where(count, high, np.nan), count, interpolated)


def _column(name: str, known: Sequence[str]) -> str:
    try:
        return full_name(f"params.{name}", known)
    except NotFound:
        return full_name(name, known)


def _said(run: RecordedRun, column: str) -> str:
    return f"{column.removeprefix('params.')}={_shown(cell(run, column))}"


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
