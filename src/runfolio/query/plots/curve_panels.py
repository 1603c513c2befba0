"""What a picture of curves shows, whatever draws it: one panel a metric, one line a run or a group of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import ConfigError, NotFound, did_you_mean
from runfolio.query.frames.x_axis import default_x
from runfolio.query.plots.mean_curve import SPREADS, Spread, mean
from runfolio.query.plots.smoothing import exponential_smoothing
from runfolio.query.run_view import RunView
from runfolio.query.selection.duplicates import distinct_runs
from runfolio.query.selection.figures import best_in_curve
from runfolio.query.selection.grouping import Grouping, group_runs
from runfolio.query.selection.metric_names import guess_mode
from runfolio.query.selection.ranking import rank
from runfolio.query.tables.run_labels import unique_labels

Floats = NDArray[np.float64]
MOST_PALE = 6
"""Of so many smoothed curves the unsmoothed ones are shown too; those of more would hide everything."""


@dataclass(frozen=True, kw_only=True)
class CurveOptions:
    """How curves are to be shown.

    Raises:
        ConfigError: A value is not one of those allowed.
    """

    x: str | None = None
    """`step`, `time`, `epoch` or the name of a metric; None: what the runs defined (`Run.define_metric`)."""
    smooth: float = 0.0
    """0 to below 1, as TensorBoard's slider."""
    log: str = ""
    """Which axes are logarithmic: `x`, `y` or `xy`."""
    group_by: str | Sequence[str] = ()
    """See `grouping.group_runs`; `"lr,wd"` is the same as `["lr", "wd"]`."""
    spread: Spread = "minmax"
    """What the band around the mean of a group shows."""

    def __post_init__(self) -> None:
        if not 0 <= self.smooth < 1:
            raise ConfigError(f"smooth is {self.smooth:g}; it must be at least 0 and below 1")
        if self.log not in ("", "x", "y", "xy"):
            raise ConfigError(f"the log axes are {self.log!r}; it must be x, y or xy")
        if self.spread not in SPREADS:
            raise ConfigError(f"the spread is {self.spread!r}; it must be one of {', '.join(SPREADS)}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Line:
    """One curve; all arrays [n], x ascending, NaN where there is nothing to draw."""

    label: str = ""
    position: int = 0
    """Its place among all lines of the picture, best first: the same in every panel, as its colour is."""
    x: Floats
    y: Floats
    raw: Floats | None = None
    """What was smoothed."""
    low: Floats | None = None
    high: Floats | None = None
    """The band around the mean of a group."""
    broken: Sequence[tuple[float, float]] = ()
    """First and last x of each stretch in which the values are NaN or infinite."""
    best: float | None = None
    """The best value of the curve (of a group: the mean of them), where the metric's name says what is better."""
    lost: int = 0
    """Points that have no x."""
    same_as: str | None = None
    """Label of a curve that has all points of this one, which would hide it."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One metric."""

    metric: str
    x_label: str
    lines: Sequence[Line]
    heading: str | None
    """What `Line.best` is, in words; None where it is not known."""
    notes: Sequence[str]
    """What a reader must know to read it right, a sentence each."""
    shades: Sequence[str]
    """What the pale curves and the bands are, a sentence each; not every drawing has them."""


def curve_panels(
    metrics: Sequence[str],
    runs: Sequence[RunView],
    options: CurveOptions = CurveOptions(),
    *,
    named: bool = False,
) -> list[Panel]:
    """A panel a metric with the runs that have it, best first by the first metric where its name says what is better.

    Args:
        named: Somebody named each of the runs, so reproductions and second copies of a run are drawn too, but still
            count in no mean.
    Raises:
        NotFound: No run has one of the metrics, or there is no column to group by; the message names the nearest.
        ConfigError: A log axis has nothing to show, or a run has not what the curves are to be drawn over.
    """
    metrics = [_metric_name(metric, runs) for metric in metrics]
    distinct = distinct_runs(runs)
    drawn = runs if named and not options.group_by else distinct.runs
    concerned = [run for run in drawn if any(metric in run.metric_summaries for metric in metrics)]
    if not concerned:
        raise NotFound(f"no run here has {' or '.join(metrics)} and counts. {distinct.sentence}")
    grouping = group_runs(concerned, options.group_by) if options.group_by else _alone(drawn, concerned)
    ordered = _best_first(grouping.members, metrics[0])
    panels = [_panel(metric, ordered, options) for metric in metrics]
    notes = [*grouping.notes, *([distinct.sentence] if distinct.sentence and drawn is not runs else [])]
    panels = [replace(panel, notes=[*panel.notes, *notes]) for panel in _in_one_unit(panels)]
    return [_on_log_axes(panel, options.log) for panel in panels]


def _metric_name(metric: str, runs: Sequence[RunView]) -> str:
    """The name under which runs logged a metric; only metrics have curves, so `metrics.lr` is the same as `lr`.

    Raises:
        NotFound: No run has it.
    """
    recorded = {name for run in runs for name in run.metric_summaries}
    for name in (metric, metric.removeprefix("metrics.")):
        if name in recorded:
            return name
    raise NotFound(f"no run here has a metric {metric!r}; {did_you_mean(metric, recorded)}")


def _alone(runs: Sequence[RunView], concerned: Sequence[RunView]) -> Grouping[RunView]:
    labels = zip(unique_labels(runs), runs, strict=True)
    return Grouping({label: [run] for label, run in labels if run in concerned}, [])


def _panel(metric: str, ordered: Sequence[tuple[str, list[RunView]]], options: CurveOptions) -> Panel:
    lines: list[Line] = []
    x, notes = _common_x(metric, ordered, options)
    shades: list[str] = []
    pale = len(ordered) <= MOST_PALE and not options.group_by
    for position, (label, runs) in enumerate(ordered):
        having = [run for run in runs if metric in run.metric_summaries]
        if not having:
            continue
        if options.group_by:
            line, about = _mean_line(having, metric, x, options)
            notes += about
            label = f"{label}  n={len(having)}"
        else:
            line = _line(having[0], metric, x, options, pale=pale)
        lines.append(replace(line, label=label, position=position, best=_mean_best(having, metric)))
    if lost := sum(line.lost for line in lines):
        notes.append(f"{'1 point' if lost == 1 else f'{lost:,} points'} from before the first {x} not shown.")
    if any(line.broken for line in lines):
        notes.append("Marks at the bottom: NaN or infinite values.")
    if options.smooth:
        notes.append(f"Smoothed by {options.smooth:g}.")
        shades += ["Pale: as it was logged."] if pale else []
    if options.group_by:
        shades.append(f"Band: {SPREADS[options.spread]}.")
    heading = {"max": f"highest {metric}", "min": f"lowest {metric}", None: None}[guess_mode(metric)]
    if heading and options.group_by:
        heading = f"mean of {heading}"
    return Panel(
        metric=metric,
        x_label=x,
        lines=_with_coincident(lines),
        heading=heading,
        notes=[*dict.fromkeys(notes)],
        shades=shades,
    )


def _with_coincident(lines: Sequence[Line]) -> list[Line]:
    """The lines, each of which that lies on another one noting which; of equals, the later notes the earlier."""
    marked: list[Line] = []
    for index, line in enumerate(lines):
        longer = [other for other in lines if len(other.x) > len(line.x)]
        equal = [other for other in lines[:index] if len(other.x) == len(line.x)]
        hiding = next((other for other in (*equal, *longer) if _is_beginning(line, other)), None)
        marked.append(replace(line, same_as=hiding.label) if hiding else line)
    return marked


def _is_beginning(line: Line, other: Line) -> bool:
    count = len(line.x)
    return (
        count > 0
        and np.array_equal(line.x, other.x[:count])
        and np.array_equal(line.y, other.y[:count], equal_nan=True)
    )


def _common_x(
    metric: str, ordered: Sequence[tuple[str, list[RunView]]], options: CurveOptions
) -> tuple[str, list[str]]:
    """What all curves of a panel are drawn over, and what is to be said of it."""
    if options.x is not None:
        return options.x, []
    axes = sorted({default_x(run, metric) for _, runs in ordered for run in runs if metric in run.metric_summaries})
    if len(axes) <= 1:
        return axes[0] if axes else "step", []
    return "step", [f"Over step, since the runs define several axes for {metric}: {', '.join(axes)}."]


def _line(run: RunView, metric: str, over: str, options: CurveOptions, *, pale: bool) -> Line:
    x, y, lost = _ordered(run, metric, over)
    shown = exponential_smoothing(y, options.smooth) if options.smooth else y
    return Line(
        x=x,
        y=np.where(np.isfinite(y), shown, np.nan),
        raw=np.where(np.isfinite(y), y, np.nan) if options.smooth and pale else None,
        broken=_broken(x, y),
        lost=lost,
    )


def _mean_line(runs: Sequence[RunView], metric: str, over: str, options: CurveOptions) -> tuple[Line, list[str]]:
    """The mean of several runs, and what is to be said of it."""
    curves = [_ordered(run, metric, over) for run in runs]
    together = mean([(x, exponential_smoothing(y, options.smooth)) for x, y, _ in curves], options.spread)
    notes = ["Each curve is the mean of n runs."]
    if together.interpolated:
        notes.append("Straight lines between the points of runs that logged at different places.")
    if len(together.count) and together.count.min() != together.count.max():
        notes.append("Where some runs of a group have no points, the mean is of the others.")
    lost = sum(lost for *_, lost in curves)
    return Line(x=together.x, y=together.y, low=together.low, high=together.high, lost=lost), notes


def _ordered(run: RunView, metric: str, over: str) -> tuple[Floats, Floats, int]:
    """x ascending, the values as they were logged, and how many points have no x."""
    curve = run.metric(metric, over)
    finite = np.isfinite(curve.x)
    x, values = curve.x[finite], curve.values[finite]
    order = np.argsort(x, kind="stable")
    return x[order], values[order], len(curve) - len(x)


def _in_one_unit(panels: Sequence[Panel]) -> list[Panel]:
    """Panels over seconds as panels over s, min, h or days; others as they are."""
    timed = [panel for panel in panels if panel.x_label == "time"]
    longest = max((line.x.max() for panel in timed for line in panel.lines if len(line.x)), default=0.0)
    scale, unit = next((candidate for candidate in _UNITS if longest >= 2 * candidate[0]), (1.0, "s"))
    return [
        panel
        if panel.x_label != "time"
        else replace(
            panel,
            x_label=f"time since the start ({unit})",
            lines=[
                replace(line, x=line.x / scale, broken=[(first / scale, last / scale) for first, last in line.broken])
                for line in panel.lines
            ],
        )
        for panel in panels
    ]


_UNITS = ((86400.0, "days"), (3600.0, "h"), (60.0, "min"))


def _on_log_axes(panel: Panel, log: str) -> Panel:
    """The panel without what a log axis cannot show, which is said."""
    if not log:
        return panel
    lines: list[Line] = []
    hidden = 0
    for line in panel.lines:
        off = (line.x <= 0 if "x" in log else np.zeros(len(line.x), bool)) | (line.y <= 0 if "y" in log else False)
        hidden += int(off.sum())
        lines.append(replace(line, y=np.where(off, np.nan, line.y)))
    if not hidden:
        return panel
    if not any(np.isfinite(line.y).any() for line in lines):
        raise ConfigError(f"{panel.metric} has nothing above 0 to show on a log axis; leave --log away")
    subject = "1 point at 0 or below is" if hidden == 1 else f"{hidden:,} points at 0 or below are"
    return replace(panel, lines=lines, notes=[*panel.notes, f"{subject} not on the log axis."])


def _broken(x: Floats, y: Floats) -> list[tuple[float, float]]:
    """First and last x of each stretch of values that are not finite."""
    bad = np.pad(~np.isfinite(y), 1)
    turns = np.flatnonzero(bad[1:] != bad[:-1])
    return [(float(x[start]), float(x[stop - 1])) for start, stop in zip(turns[::2], turns[1::2], strict=True)]


def _best_first(members: dict[str, list[RunView]], metric: str) -> list[tuple[str, list[RunView]]]:
    mode = guess_mode(metric)
    if mode is None:
        return list(members.items())

    def sort_key(item: tuple[str, list[RunView]]) -> tuple[bool, float]:
        best = _mean_best(item[1], metric)
        return (True, 0.0) if best is None or not np.isfinite(best) else (False, rank(best, mode))

    return sorted(members.items(), key=sort_key)


def _mean_best(runs: Sequence[RunView], metric: str) -> float | None:
    bests = [best for run in runs if (best := best_in_curve(run, metric)) is not None]
    finite = [best for best in bests if np.isfinite(best)]
    return float(np.mean(finite)) if finite else bests[0] if bests else None
