"""Data for scatter plots and parallel-coordinates plots of settings and results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import NotFound
from runfolio.query.run_view import RunView
from runfolio.query.selection.columns import RunsColumn, choice_note, find_column, find_columns, find_metric
from runfolio.query.selection.duplicates import distinct_runs
from runfolio.query.selection.grouping import differing_settings, naming_settings
from runfolio.query.selection.influence import explained_shares, shares_sentence
from runfolio.query.selection.metric_names import guess_mode
from runfolio.query.selection.ranking import rank
from runfolio.query.tables.run_labels import name_labels, unique_labels
from runfolio.record.base.flat_names import as_number

_DECADES = 100.0
"""Minimum ratio of the largest to the smallest number on a logarithmic axis."""
MOST_SETTINGS = 10
"""Maximum number of settings in a parallel-coordinates plot."""


@dataclass(frozen=True, eq=False)
class Axis:
    """Values of a column, converted to positions on an axis."""

    name: str
    """Readable name, such as `val/acc best`."""
    values: Sequence[Any]
    """Recorded value of each run, or None if the run has no value."""
    positions: NDArray[np.float64]
    """Number or category index of each run, shape [runs]. NaN means that the value is missing or not finite."""
    categories: Sequence[str] | None
    """Names of the categories, or None for numbers."""
    log: bool
    """True if the axis is logarithmic."""

    @property
    def shown(self) -> NDArray[np.float64]:
        """Positions at which the values are drawn. On a logarithmic axis, these positions are base-10 logarithms."""
        return np.log10(self.positions) if self.log else self.positions


@dataclass(frozen=True)
class Correlation:
    """Correlation between two columns, or NaN if a column is constant."""

    pearson: float
    """Pearson correlation of the positions on the axes."""
    spearman: float
    count: int
    """Number of runs that have both values."""
    logarithms: bool
    """True if at least one axis is logarithmic."""

    @property
    def sentence(self) -> str:
        """Summary in one sentence."""
        scale = " (of logarithms)" if self.logarithms else ""
        return f"Pearson {self.pearson:+.2f}{scale}, Spearman {self.spearman:+.2f} over {self.count} runs."


@dataclass(frozen=True, eq=False, kw_only=True)
class Scatter:
    """Scatter plot with one point per run."""

    labels: Sequence[str]
    x: Axis
    y: Axis
    colour: Axis | None
    correlation: Correlation | None
    """Correlation between x and y, or None for categories or fewer than three runs."""
    notes: Sequence[str]
    """Explanations of the plot, one sentence each. The correlation comes first."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Parallel:
    """Parallel-coordinates plot. Each run is a line from its settings to the metric. The best run comes first."""

    labels: Sequence[str]
    settings: Sequence[Axis]
    metric: Axis
    lower_is_better: bool
    notes: Sequence[str]


def scatter(runs: Sequence[RunView], x: str, y: str, colour: str | None = None) -> Scatter:
    """Return a scatter plot of two columns of the runs. Reproductions and copies are left out.

    Args:
        runs: Runs to plot.
        x: Name of the x column (see `columns.find_column`).
        y: Name of the y column.
        colour: Name of the column that determines the colour.

    Raises:
        NotFound: A column does not exist, or no run has values in both columns.
    """
    distinct = distinct_runs(runs)
    columns = find_columns((x, y), distinct.runs)
    colour_column = find_column(colour, distinct.runs) if colour else None
    usable = [run for run in distinct.runs if all(_value(run, column) is not None for column in columns)]
    if not usable:
        raise NotFound(f"no run here has both {x} and {y}")
    first, second = (_axis(usable, column) for column in columns)
    relation = correlation(first, second)
    notes = [relation.sentence] if relation and math.isfinite(relation.pearson) else []
    if left_out := len(distinct.runs) - len(usable):
        notes.append(f"Left out: {left_out} of {len(distinct.runs)} runs, which lack one of the two values.")
    notes += [distinct.sentence, choice_note([*columns, *([colour_column] if colour_column else [])])]
    return Scatter(
        labels=unique_labels(usable),
        x=first,
        y=second,
        colour=_axis(usable, colour_column) if colour_column else None,
        correlation=relation,
        notes=[note for note in notes if note],
    )


def parallel(runs: Sequence[RunView], metric: str) -> Parallel:
    """Return a parallel-coordinates plot of a metric and the settings that differ between the runs.

    Settings that only name a run, such as an output folder, are not included. Reproductions and copies are left out.

    Raises:
        NotFound: No run has the metric, or no setting differs.
    """
    distinct = distinct_runs(runs)
    column = find_metric(metric, distinct.runs)
    usable = [run for run in distinct.runs if _value(run, column) is not None]
    if not usable:
        raise NotFound(f"no run here has {metric}")
    mode = guess_mode(metric) or "max"
    usable.sort(key=lambda run: _sort_key(_value(run, column), mode))
    naming = naming_settings(usable)
    names = [name for name in differing_settings(usable) if name not in naming]
    settings = [_axis(usable, setting) for setting in find_columns([f"params.{name}" for name in names], usable)]
    if not settings:
        raise NotFound("no setting differs between these runs; name other runs, or remove filters")
    numbers = [math.nan if (number := as_number(_value(run, column))) is None else number for run in usable]
    notes = [shares_sentence(explained_shares(usable, names, numbers))]
    if naming:
        notes.append(f"Settings that only name a run are not drawn: {', '.join(naming)}.")
    if len(settings) > MOST_SETTINGS:
        notes.append(f"{len(settings) - MOST_SETTINGS} more settings differ; the first {MOST_SETTINGS} are shown.")
    if left_out := len(distinct.runs) - len(usable):
        notes.append(f"Left out: {left_out} of {len(distinct.runs)} runs without {metric}.")
    notes += [distinct.sentence, choice_note([column])]
    return Parallel(
        labels=name_labels(usable),
        settings=settings[:MOST_SETTINGS],
        metric=_axis(usable, column),
        lower_is_better=mode == "min",
        notes=[note for note in notes if note],
    )


def correlation(first: Axis, second: Axis) -> Correlation | None:
    """Return the correlation over the runs that have numbers on both axes. Return None for categories or too few
    runs."""
    if first.categories is not None or second.categories is not None:
        return None
    complete = np.isfinite(first.shown) & np.isfinite(second.shown)
    if complete.sum() < 3:
        return None
    x, y = first.shown[complete], second.shown[complete]
    return Correlation(_pearson(x, y), _pearson(_ranks(x), _ranks(y)), int(complete.sum()), first.log or second.log)


def heights(axis: Axis) -> NDArray[np.float64]:
    """Return the height of each run on the axis, from 0 (low end) to 1 (high end), or NaN if a run has no value."""
    low, high = ends(axis)
    return (axis.shown - low) / (high - low)


def ends(axis: Axis) -> tuple[float, float]:
    """Return the two ends of an axis in the units of `Axis.shown`. The ends always differ."""
    present = axis.shown[~np.isnan(axis.shown)]
    low, high = (float(present.min()), float(present.max())) if len(present) else (0.0, 1.0)
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each value, starting at 0. Equal values get their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last_ranks = np.cumsum(counts)
    return (last_ranks - (counts + 1) / 2)[inverse]


def _value(run: RunView, column: RunsColumn) -> Any:
    """Return the value of a run in a column. Times become numbers, and results that are not finite become None."""
    value = column.value(run)
    if column.is_measured and isinstance(value, float) and not math.isfinite(value):
        return None
    return value.timestamp() if isinstance(value, datetime) else value


def _sort_key(value: Any, mode: Any) -> tuple[bool, float]:
    figure = as_number(value)
    return (True, 0.0) if figure is None or math.isnan(figure) else (False, rank(figure, mode))


def _axis(runs: Sequence[RunView], column: RunsColumn) -> Axis:
    values = [_value(run, column) for run in runs]
    name = column.heading
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
