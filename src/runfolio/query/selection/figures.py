"""The one number that a run has for a metric, and which one it is: reported, the best, or the last."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from runfolio.query.run_view import RunView
from runfolio.query.selection.metric_names import Mode, guess_mode
from runfolio.record.base.flat_names import as_number
from runfolio.record.points.metric_summary import AXES, MetricSummary

Kind = Literal["at the chosen epoch", "as reported", "best", "last"]
"""`at the chosen epoch`: from the summary of a run that names what chose its epoch. `as reported`: from the summary of
any other run. `best`, `last`: from the curve."""

_KINDS: tuple[Kind, ...] = ("best", "last", "as reported", "at the chosen epoch")
CHOSEN_BY = "chosen_by"
"""The result in which a run names the metric that chose its epoch."""
BEST = ".best"
"""Ending of the name of a column with the best value of a curve: `metrics.val/acc.best`."""
_OF_AN_EPOCH = ("train/", "val/", "test/")


@dataclass(frozen=True)
class Figure:
    """One number of a run."""

    value: float
    step: int | None
    """None if it is not known."""
    kind: Kind


def figure_of(run: RunView, metric: str, mode: Mode | None) -> Figure | None:
    """Return the figure of a run, None if it has none or if that is not finite.

    Every table, choice, group and picture takes this figure: the number in the run's summary, since that is what the
    run itself reports of its chosen model; without one the best of the curve; of a metric without a direction the last.

    Args:
        metric: Its name; `summary.NAME`, or `metrics.NAME` and `metrics.NAME.best`, takes the reported number or the
            curve alone.
        mode: Direction of the metric; None if it has none.
    """
    figure = any_figure_of(run, metric, mode)
    return figure if figure is not None and math.isfinite(figure.value) else None


def any_figure_of(run: RunView, metric: str, mode: Mode | None) -> Figure | None:
    """Return the figure of a run as `figure_of` does, but also if it is NaN or infinite."""
    part, name = split_name(run, metric)
    reported = as_number(run.flat_summary.get(name)) if part != "metrics" else None
    summary = run.metrics.get(name) if part != "summary" else None
    if reported is not None:
        return Figure(reported, _step_of(run.metrics.get(name), reported), _reported_kind(run, name))
    if summary is None:
        return None
    if mode is None:
        # A test that follows a training logs the epoch it tests, so the last value of an axis can be an earlier one.
        value, step = (summary.max, summary.max_step) if name in AXES else (summary.last, summary.last_step)
        return Figure(value, step, "last")
    value, step = (summary.max, summary.max_step) if mode == "max" else (summary.min, summary.min_step)
    return Figure(value, step, "best")


def split_name(run: RunView, metric: str) -> tuple[Literal["summary", "metrics", ""], str]:
    """Return what a name says outright about where its number is, and the rest of the name."""
    if metric not in run.metrics and metric not in run.flat_summary:
        if metric.startswith("metrics."):
            name = metric.removeprefix("metrics.")
            return "metrics", name if name in run.metrics else name.removesuffix(BEST)
        if metric.startswith("summary."):
            return "summary", metric.removeprefix("summary.")
    return "", metric


def has_metric(run: RunView, metric: str) -> bool:
    """Return whether a run reports or logged a metric, whatever its values are."""
    part, name = split_name(run, metric)
    return (part != "metrics" and name in run.flat_summary) or (part != "summary" and name in run.metrics)


def kinds_text(kinds: Iterable[Kind]) -> str:
    """Return the kinds of figures in one column in words, such as `best` or `best or at the chosen epoch`."""
    present = set(kinds)
    return " or ".join(kind for kind in _KINDS if kind in present)


def figure_heading(runs: Iterable[RunView], metric: str, mode: Mode | None) -> str:
    """Return the head of a column of figures, such as `val/acc best`.

    A result that no run logged as a metric too has only one figure, so its name is enough.
    """
    runs = list(runs)
    figures = [figure for run in runs if (figure := any_figure_of(run, metric, mode))]
    name = split_name(runs[0], metric)[1] if runs else metric
    if name in AXES or not any(name in run.metrics for run in runs):
        return name
    return f"{name} {kinds_text(figure.kind for figure in figures)}".rstrip()


def best_in_curve(run: RunView, metric: str) -> float | None:
    """Return the best value of a curve; None if the run has no such curve or the metric's name gives no direction."""
    summary, mode = run.metrics.get(metric), guess_mode(metric)
    if summary is None or mode is None:
        return None
    return summary.max if mode == "max" else summary.min


def _reported_kind(run: RunView, name: str) -> Kind:
    chosen = CHOSEN_BY in run.flat_summary and name.startswith(_OF_AN_EPOCH)
    return "at the chosen epoch" if chosen else "as reported"


def _step_of(summary: MetricSummary | None, value: float) -> int | None:
    """Return the step at which the curve had the value, if that is its last, lowest or highest."""
    if summary is None:
        return None
    steps = {summary.last: summary.last_step, summary.min: summary.min_step, summary.max: summary.max_step}
    return steps.get(value)
