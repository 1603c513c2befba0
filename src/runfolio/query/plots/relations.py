"""Settings and results of runs against each other: what a scatter plot and parallel coordinates show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import NotFound
from runfolio.query.frames.columns import cell, every_column, full_name
from runfolio.query.run_view import RunView
from runfolio.query.selection.grouping import differing_settings
from runfolio.query.selection.metric_names import guess_mode
from runfolio.query.selection.ranking import figure_of, rank
from runfolio.query.tables.run_labels import unique_labels
from runfolio.record.base.flat_names import as_number

_DECADES = 100.0
"""An axis on which the largest number is so many times the smallest is logarithmic."""
MOST_SETTINGS = 10
"""So many axes of parallel coordinates can be read."""


@dataclass(frozen=True, eq=False)
class Axis:
    """One column of the runs, as places on an axis."""

    name: str
    """For people: `val/acc (highest)`."""
    values: Sequence[Any]
    """As they were recorded; None where a run has none. So many as there are runs."""
    positions: NDArray[np.float64]
    """[runs]: the number itself, or the place of its category; NaN where there is none, or none that is finite."""
    categories: Sequence[str] | None
    """None: these are numbers."""
    log: bool
    """Numbers that span decades."""

    @property
    def shown(self) -> NDArray[np.float64]:
        """The places as they lie on the axis: logarithms of base 10 where it is logarithmic."""
        return np.log10(self.positions) if self.log else self.positions


@dataclass(frozen=True)
class Correlation:
    """How two columns go together; NaN where one of them does not vary."""

    pearson: float
    """Of the numbers as they lie on the axes."""
    spearman: float
    count: int
    logarithms: bool
    """Whether one of the axes is logarithmic."""

    @property
    def sentence(self) -> str:
        of_what = " (of logarithms)" if self.logarithms else ""
        return f"Pearson {self.pearson:+.2f}{of_what}, Spearman {self.spearman:+.2f} over {self.count} runs."


@dataclass(frozen=True, eq=False, kw_only=True)
class Scatter:
    """Runs as points."""

    labels: Sequence[str]
    x: Axis
    y: Axis
    colour: Axis | None
    correlation: Correlation | None
    """None where an axis has categories, or fewer than three runs have both."""
    notes: Sequence[str]
    """What a reader should know, a sentence each: the correlation first."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Parallel:
    """Runs as lines across their settings to the metric; the best run first."""

    labels: Sequence[str]
    settings: Sequence[Axis]
    metric: Axis
    lower_is_better: bool
    notes: Sequence[str]


def scatter(runs: Sequence[RunView], x: str, y: str, colour: str | None = None) -> Scatter:
    """Two columns of the runs against each other; names as the table of runs knows them.

    Raises:
        NotFound: There is no such column, or no run has both.
    """
    every = every_column(runs)
    columns = [full_name(name, every) for name in (x, y)]
    having = [run for run in runs if all(_value(run, column) is not None for column in columns)]
    if not having:
        raise NotFound(f"no run here has both {x} and {y}")
    first, second = (_axis(having, column) for column in columns)
    together = correlation(first, second)
    notes = [together.sentence] if together else []
    if left_out := len(runs) - len(having):
        notes.append(f"Without one of the two, and left out: {left_out} of {len(runs)} runs.")
    return Scatter(
        labels=unique_labels(having),
        x=first,
        y=second,
        colour=_axis(having, full_name(colour, every)) if colour else None,
        correlation=together,
        notes=notes,
    )


def parallel(runs: Sequence[RunView], metric: str) -> Parallel:
    """The settings in which the runs differ, and the metric.

    Raises:
        NotFound: There is no such metric, or no run has it; or the runs differ in no setting.
    """
    column = full_name(metric, every_column(runs))
    having = [run for run in runs if _value(run, column) is not None]
    if not having:
        raise NotFound(f"no run here has {metric}")
    mode = guess_mode(metric) or "max"
    having.sort(key=lambda run: _sort_key(_value(run, column), mode))
    settings = [_axis(having, setting) for setting in differing_settings(having)]
    if not settings:
        raise NotFound("no setting differs among these runs; name some that differ, or leave filters away")
    notes = []
    if len(settings) > MOST_SETTINGS:
        notes.append(f"{len(settings) - MOST_SETTINGS} more settings differ; the first {MOST_SETTINGS} are shown.")
    if left_out := len(runs) - len(having):
        notes.append(f"Without {metric}, and left out: {left_out} of {len(runs)} runs.")
    return Parallel(
        labels=unique_labels(having),
        settings=settings[:MOST_SETTINGS],
        metric=_axis(having, column),
        lower_is_better=mode == "min",
        notes=notes,
    )


def correlation(first: Axis, second: Axis) -> Correlation | None:
    """How two axes go together, over the runs that have a number on both; None for fewer than three, and categories."""
    if first.categories is not None or second.categories is not None:
        return None
    both = np.isfinite(first.shown) & np.isfinite(second.shown)
    if both.sum() < 3:
        return None
    x, y = first.shown[both], second.shown[both]
    return Correlation(_pearson(x, y), _pearson(_ranks(x), _ranks(y)), int(both.sum()), first.log or second.log)


def heights(axis: Axis) -> NDArray[np.float64]:
    """Where each run lies on the axis, from 0 at its low end to 1; NaN where it has no place."""
    low, high = ends(axis)
    return (axis.shown - low) / (high - low)


def ends(axis: Axis) -> tuple[float, float]:
    """The low and the high end of an axis, as `shown` counts; never the same."""
    present = axis.shown[~np.isnan(axis.shown)]
    low, high = (float(present.min()), float(present.max())) if len(present) else (0.0, 1.0)
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts + 1) / 2)[inverse]


def _value(run: RunView, column: str) -> Any:
    """A setting or a fact as it is; of a metric what the run reports, else the best of its curve (see `choose`)."""
    kind, _, name = column.partition(".")
    if kind in ("metrics", "summary") and (mode := guess_mode(name)):
        figure = figure_of(run, name, mode)
        return figure.value if figure else None
    value = cell(run, column)
    return value.timestamp() if hasattr(value, "timestamp") else value


def _sort_key(value: Any, mode: Any) -> tuple[bool, float]:
    figure = as_number(value)
    return (True, 0.0) if figure is None or math.isnan(figure) else (False, rank(figure, mode))


def _axis(runs: Sequence[RunView], column: str) -> Axis:
    values = [_value(run, column) for run in runs]
    kind, dot, bare_name = column.partition(".")
    name = bare_name if dot and kind in ("params", "metrics", "summary") else column
    if kind in ("metrics", "summary") and (mode := guess_mode(name)):
        name = f"{name} ({'highest' if mode == 'max' else 'lowest'})"
    present = [value for value in values if value is not None]
    if present and all(as_number(value) is not None for value in present):
        positions = np.array([math.nan if value is None else float(value) for value in values])
        positions[~np.isfinite(positions)] = math.nan
        finite = positions[~np.isnan(positions)]
        log = len(finite) > 0 and finite.min() > 0 and finite.max() >= _DECADES * finite.min()
        return Axis(name, values, positions, None, bool(log))
    categories = sorted({_category_name(value) for value in present})
    positions = np.array(
        [math.nan if value is None else float(categories.index(_category_name(value))) for value in values]
    )
    return Axis(name, values, positions, categories, False)


def _category_name(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
