"""Representative value of a metric: the number that stands for a run in tables, selections and plots.

The code calls this number a figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from runfolio.query.run_view import RunView
from runfolio.query.selection.metric_names import Mode, guess_mode
from runfolio.record.base.flat_names import as_number
from runfolio.record.points.metric_summary import AXES, MetricSummary

Kind = Literal["at the chosen epoch", "as reported", "best", "last"]
"""Kind of a representative value. `best` and `last` are taken from the curve, and the other kinds from the summary. The
kind is `at the chosen epoch` if the summary names the metric by which the epoch was chosen, and `as reported`
otherwise."""

_KINDS: tuple[Kind, ...] = ("best", "last", "as reported", "at the chosen epoch")
CHOSEN_BY = "chosen_by"
"""Name of the result that contains the name of the metric by which the epoch was chosen."""
BEST = ".best"
"""Suffix of columns that contain the best value of a curve, such as `metrics.val/acc.best`."""
_EPOCH_PREFIXES = ("train/", "val/", "test/")


@dataclass(frozen=True)
class Figure:
    """Representative value of one metric of a run."""

    value: float
    step: int | None
    """Step at which the value was logged, or None if unknown."""
    kind: Kind


def figure_of(run: RunView, metric: str, mode: Mode | None) -> Figure | None:
    """Return the representative value of a metric of a run, or None if there is no finite value.

    The value is the number in the run's summary, which describes the model that the run chose. If the summary has no
    such number, the value is the best value of the curve. If the metric has no direction, the last value of the curve
    is used instead.

    Args:
        run: Run that reported or logged the metric.
        metric: Name of the metric. `summary.NAME` means only the summary. `metrics.NAME` and `metrics.NAME.best` mean
            only the curve.
        mode: Direction of the metric, or None if the metric has no direction.
    """
    figure = any_figure_of(run, metric, mode)
    return figure if figure is not None and math.isfinite(figure.value) else None


def any_figure_of(run: RunView, metric: str, mode: Mode | None) -> Figure | None:
    """Return the representative value like `figure_of`, even if it is NaN or infinite."""
    reported, summary, name = as_number(run.flat_summary.get(metric)), run.metrics.get(metric), metric
    if reported is None and summary is None:
        part, name = split_name(run, metric)
        reported = as_number(run.flat_summary.get(name)) if part == "summary" else None
        summary = run.metrics.get(name) if part == "metrics" else None
    if reported is not None:
        return Figure(reported, _step_of(run.metrics.get(name), reported), _reported_kind(run, name))
    if summary is None:
        return None
    if mode is None:
        # A test after training logs the epoch of the tested model. The last value of `epoch` can therefore be too
        # small.
        value, step = (summary.max, summary.max_step) if name in AXES else (summary.last, summary.last_step)
        return Figure(value, step, "last")
    value, step = (summary.max, summary.max_step) if mode == "max" else (summary.min, summary.min_step)
    return Figure(value, step, "best")


def split_name(run: RunView, metric: str) -> tuple[Literal["summary", "metrics", ""], str]:
    """Split a name such as `summary.x` into its source, `summary`, and the name `x`. The source is empty if the name
    has no such prefix."""
    if metric not in run.metrics and metric not in run.flat_summary:
        if metric.startswith("metrics."):
            name = metric.removeprefix("metrics.")
            return "metrics", name if name in run.metrics else name.removesuffix(BEST)
        if metric.startswith("summary."):
            return "summary", metric.removeprefix("summary.")
    return "", metric


def has_metric(run: RunView, metric: str) -> bool:
    """Return whether a run reported or logged a metric, even if all values are NaN or infinite."""
    part, name = split_name(run, metric)
    return (part != "metrics" and name in run.flat_summary) or (part != "summary" and name in run.metrics)


def kinds_text(kinds: Iterable[Kind]) -> str:
    """Return the kinds of representative values in words, such as `best or at the chosen epoch`."""
    present = set(kinds)
    return " or ".join(kind for kind in _KINDS if kind in present)


def figure_heading(runs: Iterable[RunView], metric: str, mode: Mode | None) -> str:
    """Return the heading for a column of metric values, such as `val/acc best`.

    The kind is omitted if no run has a curve of the metric.
    """
    runs = list(runs)
    return heading_of([any_figure_of(run, metric, mode) for run in runs], runs, metric)


def heading_of(figures: Iterable[Figure | None], runs: Sequence[RunView], metric: str) -> str:
    """Return the same heading as `figure_heading`, for values that `any_figure_of` has returned."""
    name = split_name(runs[0], metric)[1] if runs else metric
    if name in AXES or not any(name in run.metrics for run in runs):
        return name
    return f"{name} {kinds_text(figure.kind for figure in figures if figure)}".rstrip()


def best_in_curve(run: RunView, metric: str) -> float | None:
    """Return the best value of a curve, or None if there is no curve or the metric's direction is unknown."""
    summary, mode = run.metrics.get(metric), guess_mode(metric)
    if summary is None or mode is None:
        return None
    return summary.max if mode == "max" else summary.min


def _reported_kind(run: RunView, name: str) -> Kind:
    chosen = CHOSEN_BY in run.flat_summary and name.startswith(_EPOCH_PREFIXES)
    return "at the chosen epoch" if chosen else "as reported"


def _step_of(summary: MetricSummary | None, value: float) -> int | None:
    """Return the step of a value if the value is the last, lowest or highest of the curve, else None."""
    if summary is None:
        return None
    steps = {summary.last: summary.last_step, summary.min: summary.min_step, summary.max: summary.max_step}
    return steps.get(value)
