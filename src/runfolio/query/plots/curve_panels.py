"""Content of curve plots: one panel per metric, one line per run or group of runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import ConfigError, NotFound, did_you_mean
from runfolio.query.frames.x_axis import default_x
from runfolio.query.histories.mean_curve import SPREADS, Spread, mean
from runfolio.query.plots.smoothing import exponential_smoothing, metric_weight
from runfolio.query.run_view import RunView
from runfolio.query.selection.duplicates import distinct_runs
from runfolio.query.selection.figures import best_in_curve
from runfolio.query.selection.grouping import Grouping, group_runs
from runfolio.query.selection.metric_names import guess_mode
from runfolio.query.selection.ranking import rank
from runfolio.query.tables.run_labels import legend_labels

Floats = NDArray[np.float64]
MAX_RAW = 6
"""Maximum number of smoothed curves for which raw values are drawn too. More raw values would hide the curves."""


@dataclass(frozen=True, kw_only=True)
class CurveOptions:
    """Options for curve plots.

    Raises:
        ConfigError: A value is not allowed.
    """

    x: str | None = None
    """X axis: `step`, `time`, `epoch` or a metric. None selects the axis that `Run.define_metric` set."""
    smooth: float = 0.0
    """Smoothing weight with the same meaning as in TensorBoard, at least 0 and below 1."""
    log: str = ""
    """Axes with a logarithmic scale: `x`, `y` or `xy`."""
    group_by: str | Sequence[str] = ()
    """Columns to group by (see `grouping.group_runs`), as a list or separated by commas."""
    spread: Spread = "minmax"
    """Kind of the band around the mean of a group."""
    x_range: tuple[float, float] | None = None
    """Visible range of the x axis, in seconds if the axis is `time`. Default: all points. Curves are smoothed before
    they are limited to this range."""

    def __post_init__(self) -> None:
        if not 0 <= self.smooth < 1:
            raise ConfigError(f"smooth is {self.smooth:g}; it must be at least 0 and below 1")
        if self.log not in ("", "x", "y", "xy"):
            raise ConfigError(f"the log axes are {self.log!r}; allowed are x, y and xy")
        if self.spread not in SPREADS:
            raise ConfigError(f"the spread is {self.spread!r}; it must be one of {', '.join(SPREADS)}")
        if self.x_range is not None and not -math.inf < self.x_range[0] < self.x_range[1] < math.inf:
            raise ConfigError(f"the range of x is {self.x_range}; it must be two numbers, the lower one first")


@dataclass(frozen=True, eq=False, kw_only=True)
class Line:
    """Curve of a run or a group. All arrays have the shape [n], `x` is ascending, and NaN marks a gap."""

    label: str = ""
    position: int = 0
    """Position in the order of all lines, best first."""
    colour: int | None = None
    """Index of the line's colour in every panel. The index -1 means grey. Default: the position."""
    dash: int | None = None
    """Index of the line's dash pattern. Default: solid until all colours are in use."""
    is_pale: bool = False
    """Draw the line thin and pale, behind the others and without an entry in the legend."""
    x: Floats
    y: Floats
    raw: Floats | None = None
    """Values before smoothing."""
    low: Floats | None = None
    """Lower end of the band around the mean of a group."""
    high: Floats | None = None
    """Upper end of the band."""
    broken: Sequence[tuple[float, float]] = ()
    """First and last x of each range where all values are NaN or infinite."""
    best: float | None = None
    """Best value of the curve, or mean of a group's best values. It is None if the direction is unknown."""
    lost: int = 0
    """Number of points without an x value."""
    same_as: str | None = None
    """Label of another curve that contains all points of this curve and would therefore hide it."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Curves of one metric."""

    metric: str
    x_label: str
    lines: Sequence[Line]
    heading: str | None
    """Description of `Line.best`, or None if the best values are unknown."""
    notes: Sequence[str]
    """Explanations of the curves, one sentence each."""
    shades: Sequence[str]
    """Explanations of raw curves and bands, one sentence each. A plot that does not draw raw curves or bands omits
    these sentences."""
    x_range: tuple[float, float] | None = None
    """Visible range of the x axis. Default: all points."""


def curve_panels(
    metrics: Sequence[str],
    runs: Sequence[RunView],
    options: CurveOptions = CurveOptions(),
    *,
    named: bool = False,
) -> list[Panel]:
    """Return one panel per metric. A panel contains the runs that logged its metric. Runs are ordered by the first
    metric.

    Args:
        metrics: Names of the metrics.
        runs: Runs to draw.
        options: Options for the curves.
        named: True if the user named each run. In this case, reproductions and copies are drawn too, but means do not
            include them.

    Raises:
        NotFound: No run has a metric, or a column does not exist. The message lists the most similar names.
        ConfigError: A log axis has no positive value, or a run lacks the metric of the x axis.
    """
    metrics = [_metric_name(metric, runs) for metric in metrics]
    distinct = distinct_runs(runs)
    drawn = runs if named and not options.group_by else distinct.runs
    plotted = [run for run in drawn if any(metric in run.metric_summaries for metric in metrics)]
    if not plotted:
        raise NotFound(f"only runs that were left out have {' or '.join(metrics)}. {distinct.sentence}")
    grouping = group_runs(plotted, options.group_by) if options.group_by else _single_runs(drawn, plotted)
    ordered = _best_first(grouping.members, metrics[0])
    panels = [_panel(metric, ordered, options) for metric in metrics]
    notes = [*grouping.notes, *([distinct.sentence] if distinct.sentence and drawn is not runs else [])]
    if options.x_range is not None:
        panels = [in_range(panel, options.x_range) for panel in panels]
    panels = [replace(panel, notes=[*panel.notes, *notes]) for panel in in_one_unit(panels)]
    return [_on_log_axes(panel, options.log) for panel in panels]


def _metric_name(metric: str, runs: Sequence[RunView]) -> str:
    """Return the name of a metric without the optional prefix `metrics.`.

    Raises:
        NotFound: No run has the metric.
    """
    recorded = {name for run in runs for name in run.metric_summaries}
    for name in (metric, metric.removeprefix("metrics.")):
        if name in recorded:
            return name
    raise NotFound(f"no run here has a metric {metric!r}; {did_you_mean(metric, recorded)}")


def _single_runs(runs: Sequence[RunView], selected: Sequence[RunView]) -> Grouping[RunView]:
    """Return a group for each run in `selected`. The labels are unique among all `runs`."""
    labels = zip(legend_labels(runs), runs, strict=True)
    return Grouping({label: [run] for label, run in labels if run in selected}, [])


def _panel(metric: str, ordered: Sequence[tuple[str, list[RunView]]], options: CurveOptions) -> Panel:
    lines: list[Line] = []
    x, notes = _common_x(metric, ordered, options)
    shades: list[str] = []
    with_raw = len(ordered) <= MAX_RAW and not options.group_by
    for position, (label, runs) in enumerate(ordered):
        members = [run for run in runs if metric in run.metric_summaries]
        if not members:
            continue
        if options.group_by:
            line, mean_notes = _mean_line(members, metric, x, options)
            notes += mean_notes
            label = f"{label}  n={len(members)}"
        else:
            line = _line(members[0], metric, x, options, with_raw=with_raw)
        lines.append(replace(line, label=label, position=position, best=mean_best(members, metric)))
    if lost := sum(line.lost for line in lines):
        notes.append(f"Not shown: {'1 point' if lost == 1 else f'{lost:,} points'} before the first {x}.")
    if any(line.broken for line in lines):
        notes.append("Marks at the bottom: NaN or infinite values.")
    if options.smooth:
        notes.append(f"Smoothed by {options.smooth:g}.")
        shades += ["Pale: logged values."] if with_raw else []
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
    """Return the lines. `same_as` is set in a line that coincides with another line or with the start of a longer
    line."""
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
    """Return the x axis of a panel, and a note if the runs define several axes."""
    if options.x is not None:
        return options.x, []
    axes = sorted({default_x(run, metric) for _, runs in ordered for run in runs if metric in run.metric_summaries})
    if len(axes) <= 1:
        return axes[0] if axes else "step", []
    return "step", [f"Drawn over step, since the runs define several x axes for {metric}: {', '.join(axes)}."]


def _line(run: RunView, metric: str, x_name: str, options: CurveOptions, *, with_raw: bool) -> Line:
    x, y, lost = _sorted_points(run, metric, x_name)
    shown = exponential_smoothing(y, metric_weight(options.smooth, run.metric_summaries, metric))
    return Line(
        x=x,
        y=np.where(np.isfinite(y), shown, np.nan),
        raw=np.where(np.isfinite(y), y, np.nan) if options.smooth and with_raw else None,
        broken=_non_finite_ranges(x, y),
        lost=lost,
    )


def _mean_line(runs: Sequence[RunView], metric: str, x_name: str, options: CurveOptions) -> tuple[Line, list[str]]:
    """Return the mean curve of several runs, and notes that explain the curve."""
    curves = [_sorted_points(run, metric, x_name) for run in runs]
    weights = [metric_weight(options.smooth, run.metric_summaries, metric) for run in runs]
    smoothed = [(x, exponential_smoothing(y, weight)) for (x, y, _), weight in zip(curves, weights, strict=True)]
    average = mean(smoothed, options.spread)
    notes = ["Each curve is the mean of n runs."]
    if average.interpolated:
        notes.append("Curves of runs that logged at different positions are interpolated linearly.")
    if len(average.count) and average.count.min() != average.count.max():
        notes.append("If some runs of a group have no points, the mean covers only the other runs.")
    lost = sum(lost for *_, lost in curves)
    return Line(x=average.x, y=average.y, low=average.low, high=average.high, lost=lost), notes


def _sorted_points(run: RunView, metric: str, x_name: str) -> tuple[Floats, Floats, int]:
    """Return the x values in ascending order, the logged values, and the number of points without an x value."""
    curve = run.metric(metric, x_name)
    finite = np.isfinite(curve.x)
    x, values = curve.x[finite], curve.values[finite]
    order = np.argsort(x, kind="stable")
    return x[order], values[order], len(curve) - len(x)


def in_range(panel: Panel, x_range: tuple[float, float]) -> Panel:
    """Return the part of a panel within a range of the x axis. Each line also includes the nearest point on each side
    of the range."""
    low, high = x_range
    lines: list[Line] = []
    for line in panel.lines:
        part = slice(max(0, int(np.searchsorted(line.x, low)) - 1), int(np.searchsorted(line.x, high, "right")) + 1)
        optional = {name: getattr(line, name) for name in ("raw", "low", "high")}
        arrays = {name: None if array is None else array[part] for name, array in optional.items()}
        broken = [(max(first, low), min(last, high)) for first, last in line.broken if first <= high and last >= low]
        lines.append(replace(line, x=line.x[part], y=line.y[part], broken=broken, **arrays))
    return replace(panel, lines=lines, x_range=x_range)


def in_one_unit(panels: Sequence[Panel]) -> list[Panel]:
    """Convert the time axes of all panels from seconds to one suitable unit: s, min, h or days."""
    timed = [panel for panel in panels if panel.x_label == "time"]
    longest = max((line.x.max() for panel in timed for line in panel.lines if len(line.x)), default=0.0)
    scale, unit = next((candidate for candidate in _UNITS if longest >= 2 * candidate[0]), (1.0, "s"))
    return [
        panel
        if panel.x_label != "time"
        else replace(
            panel,
            x_label=f"time since the start ({unit})",
            x_range=None if panel.x_range is None else (panel.x_range[0] / scale, panel.x_range[1] / scale),
            lines=[
                replace(line, x=line.x / scale, broken=[(first / scale, last / scale) for first, last in line.broken])
                for line in panel.lines
            ],
        )
        for panel in panels
    ]


_UNITS = ((86400.0, "days"), (3600.0, "h"), (60.0, "min"))


def _on_log_axes(panel: Panel, log: str) -> Panel:
    """Remove the points that a log axis cannot show, and add a note."""
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
        raise ConfigError(f"{panel.metric} has no value above 0 for a log axis; omit --log")
    subject = "1 point at 0 or below is" if hidden == 1 else f"{hidden:,} points at 0 or below are"
    return replace(panel, lines=lines, notes=[*panel.notes, f"{subject} not on the log axis."])


def _non_finite_ranges(x: Floats, y: Floats) -> list[tuple[float, float]]:
    """Return the first and last x value of each range of values that are not finite."""
    bad = np.pad(~np.isfinite(y), 1)
    edges = np.flatnonzero(bad[1:] != bad[:-1])
    return [(float(x[start]), float(x[stop - 1])) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def _best_first(members: dict[str, list[RunView]], metric: str) -> list[tuple[str, list[RunView]]]:
    mode = guess_mode(metric)
    if mode is None:
        return list(members.items())

    def sort_key(item: tuple[str, list[RunView]]) -> tuple[bool, float]:
        best = mean_best(item[1], metric)
        return (True, 0.0) if best is None or not np.isfinite(best) else (False, rank(best, mode))

    return sorted(members.items(), key=sort_key)


def mean_best(runs: Sequence[RunView], metric: str) -> float | None:
    """Return the mean of the best values of several runs, or None if no run has a best value."""
    bests = [best for run in runs if (best := best_in_curve(run, metric)) is not None]
    finite = [best for best in bests if np.isfinite(best)]
    return float(np.mean(finite)) if finite else bests[0] if bests else None
