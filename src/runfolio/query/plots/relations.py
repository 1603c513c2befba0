"""Settings and results of runs against each other: what a scatter plot and parallel coordinates show."""

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
"""An axis on which the largest number is so many times the smallest is logarithmic."""
MOST_SETTINGS = 10
"""So many axes of parallel coordinates can be read."""


@dataclass(frozen=True, eq=False)
class Axis:
    """One column of the runs, as places on an axis."""

    name: str
    """For people: `val/acc best`."""
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
    """Return two columns of the runs against each other; names as the table of runs knows them.

    Reproductions and second copies of a run are left out.

    Raises:
        NotFound: There is no such column, or no run has both.
    """
    distinct = distinct_runs(runs)
    columns = find_columns((x, y), distinct.runs)
    coloured_by = find_column(colour, distinct.runs) if colour else None
    having = [run for run in distinct.runs if all(_value(run, column) is not None for column in columns)]
    if not having:
        raise NotFound(f"no run here has both {x} and {y}")
    first, second = (_axis(having, column) for column in columns)
    together = correlation(first, second)
    notes = [together.sentence] if together and math.isfinite(together.pearson) else []
    if left_out := len(distinct.runs) - len(having):
        notes.append(f"Without one of the two, and left out: {left_out} of {len(distinct.runs)} runs.")
    notes += [distinct.sentence, choice_note([*columns, *([coloured_by] if coloured_by else [])])]
    return Scatter(
        labels=unique_labels(having),
        x=first,
        y=second,
        colour=_axis(having, coloured_by) if coloured_by else None,
        correlation=together,
        notes=[note for note in notes if note],
    )


def parallel(runs: Sequence[RunView], metric: str) -> Parallel:
    """Return the settings in which the runs differ, and the metric.

    Settings that only name a run are no axes, such as an output folder; reproductions and second copies are left out.

    Raises:
        NotFound: There is no such metric, or no run has it; or the runs differ in no setting.
    """
    distinct = distinct_runs(runs)
    column = find_metric(metric, distinct.runs)
    having = [run for run in distinct.runs if _value(run, column) is not None]
    if not having:
        raise NotFound(f"no run here has {metric}")
    mode = guess_mode(metric) or "max"
    having.sort(key=lambda run: _sort_key(_value(run, column), mode))
    naming = naming_settings(having)
    names = [name for name in differing_settings(having) if name not in naming]
    settings = [_axis(having, setting) for setting in find_columns([f"params.{name}" for name in names], having)]
    if not settings:
        raise NotFound("no setting differs among these runs; name some that differ, or leave filters away")
    numbers = [math.nan if (number := as_number(_value(run, column))) is None else number for run in having]
    notes = [shares_sentence(explained_shares(having, names, numbers))]
    if naming:
        notes.append(f"Not drawn, since they only name a run: {', '.join(naming)}.")
    if len(settings) > MOST_SETTINGS:
        notes.append(f"{len(settings) - MOST_SETTINGS} more settings differ; the first {MOST_SETTINGS} are shown.")
    if left_out := len(distinct.runs) - len(having):
        notes.append(f"Without {metric}, and left out: {left_out} of {len(distinct.runs)} runs.")
    notes += [distinct.sentence, choice_note([column])]
    return Parallel(
        labels=name_labels(having),
        settings=settings[:MOST_SETTINGS],
        metric=_axis(having, column),
        lower_is_better=mode == "min",
        notes=[note for note in notes if note],
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


def _value(run: RunView, column: RunsColumn) -> Any:
    """The value as it is; a time as a number, and no number that is not finite."""
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
