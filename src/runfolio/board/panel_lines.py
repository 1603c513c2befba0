"""Lines of a panel, which is a chart: the curves that a request selects, with labels, and notes that explain them.

The module `branches` explains branches and attempts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runfolio.board.branches import BranchReader, RunCurves, curve_signature
from runfolio.board.curve_lines import CurveLine, View, XRange, branch_line, mean_line
from runfolio.errors import ConfigError, NotFound, did_you_mean
from runfolio.query.histories.mean_curve import SPREADS, Spread
from runfolio.query.plots.curve_panels import MAX_RAW
from runfolio.query.plots.smoothing import metric_weight
from runfolio.query.selection.duplicates import distinct_runs
from runfolio.query.selection.grouping import group_runs
from runfolio.query.tables.run_labels import unique_labels
from runfolio.record.base.plurals import counted

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun

MAX_POINTS = 2_000_000
"""Maximum number of points in an answer. If a request selects many lines, fewer pixel columns are used."""
_MIN_COLUMNS = 50
_POINTS_PER_COLUMN = 4


@dataclass(frozen=True, kw_only=True)
class LineOptions:
    """Options for the lines of one answer."""

    metrics: tuple[str, ...]
    x: str | None = None
    """X axis: `step`, `time`, `epoch` or any metric. None selects the axis that the runs defined."""
    group_by: tuple[str, ...] = ()
    """Columns to group by (see `grouping.group_runs`)."""
    spread: Spread = "minmax"
    view: View


@dataclass(frozen=True, eq=False, kw_only=True)
class PanelLine:
    """Line of a run or a group, with its labels."""

    line: CurveLine
    metric: str
    label: str
    keys: Sequence[int]
    """Key of the run, or keys of all runs of the group."""
    is_group: bool = False
    attempt: int = 0
    is_abandoned: bool = False
    parent: int | None = None
    """Key of the parent run, if the line of a fork starts at a point of the parent's curve."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PanelCurves:
    """Curves that were read for an answer."""

    x: str
    """Name of the x axis."""
    runs: list[RecordedRun]
    """Runs that have at least one of the metrics, in order."""
    by_run: dict[int, dict[str, RunCurves]]
    """Curves, keyed by run and then by metric."""
    notes: list[str]
    """Sentences about the x axis and about runs and metrics that were left out."""


def read_curves(
    runs: Sequence[RecordedRun], signatures: Mapping[int, str], options: LineOptions, reader: BranchReader
) -> PanelCurves:
    """Read the curves of several runs.

    Args:
        runs: Runs in the order of the answer.
        signatures: Result of `curve_signature` for each run, keyed by run.
        options: Options for the lines.
        reader: Reader of the curves.

    Raises:
        ConfigError: No run has the metric of the x axis.
    """
    x, notes = _common_x(runs, signatures, options, reader)
    if options.group_by:
        distinct = distinct_runs(runs)
        runs = distinct.runs
        notes += [distinct.sentence] if distinct.sentence else []
    by_run, problems = _read(runs, signatures, options, x, reader)
    notes += [*_unknown_metrics(runs, options.metrics), *problems]
    return PanelCurves(x=x, runs=[run for run in runs if run.row.key in by_run], by_run=by_run, notes=notes)


def panel_lines(
    curves: PanelCurves, options: LineOptions, *, max_points: int = MAX_POINTS
) -> tuple[list[PanelLine], list[str]]:
    """Return the lines of the curves, ordered by run or group and then by metric. Also return notes about the lines.

    Args:
        curves: Curves to draw.
        options: Options for the lines.
        max_points: Approximate maximum number of points of all lines.

    Raises:
        NotFound: A column to group by does not exist.
    """
    branches = [
        branch for by_metric in curves.by_run.values() for entry in by_metric.values() for branch in entry.branches
    ]
    view = replace(options.view, columns=_columns(options.view.columns, len(branches), max_points))
    visible = XRange.of(branches, view)
    if not options.group_by:
        lines = list(_run_lines(curves, view, visible))
        return lines, list(_line_notes(lines, options, curves.x))
    grouping = group_runs(curves.runs, options.group_by)
    lines = list(_group_lines(grouping.members, curves, options, view, visible))
    return lines, [*grouping.notes, *_line_notes(lines, options, curves.x)]


def new_points(curves: PanelCurves, counts: Mapping[int, Mapping[str, int]], view: View) -> Iterator[PanelLine]:
    """Yield the new points of each curve, which are all points after the first `counts[run][metric]` points."""
    for run, label in zip(curves.runs, unique_labels(curves.runs), strict=True):
        for metric, count in counts[run.row.key].items():
            curve = curves.by_run[run.row.key][metric].newest
            if count < len(curve.x):
                new = replace(curve, x=curve.x[count:], y=curve.y[count:], shared=0, resumes=())
                whole = replace(view, columns=len(new.x), low=None, high=None)
                line = branch_line(new, whole, XRange.of([new], whole), is_raw_drawn=False, is_whole=True)
                line = replace(line, total=len(curve.x))
                yield PanelLine(line=line, metric=metric, label=label, keys=[run.row.key], attempt=curve.attempt)


def readable_runs(runs: Sequence[RecordedRun]) -> tuple[list[RecordedRun], dict[int, str]]:
    """Return the runs whose folders exist, and the result of `curve_signature` for each of these runs, keyed by run."""
    signatures: dict[int, str] = {}
    for run in runs:
        try:
            signatures[run.row.key] = curve_signature(run)
        except NotFound:  # moved to the trash since the last scan
            continue
    return [run for run in runs if run.row.key in signatures], signatures


def _common_x(
    runs: Sequence[RecordedRun], signatures: Mapping[int, str], options: LineOptions, reader: BranchReader
) -> tuple[str, list[str]]:
    """Return the x axis of the answer, and a note if the runs define several axes."""
    if options.x is not None:
        return options.x, []
    axes = sorted(
        {
            reader.default_x(run, metric, signatures[run.row.key])
            for run in runs
            for metric in options.metrics
            if metric in run.metric_summaries
        }
    )
    if len(axes) <= 1:
        return axes[0] if axes else "step", []
    return "step", [f"Drawn over step, since the runs define several x axes: {', '.join(axes)}."]


def _read(
    runs: Sequence[RecordedRun], signatures: Mapping[int, str], options: LineOptions, x: str, reader: BranchReader
) -> tuple[dict[int, dict[str, RunCurves]], list[str]]:
    """Return the curves of the runs, and a note about runs that were left out."""
    curves: dict[int, dict[str, RunCurves]] = {}
    problems: list[str] = []
    for run in runs:
        try:
            by_metric = reader.read(run, options.metrics, x, signatures[run.row.key])
        except (NotFound, ConfigError) as error:
            problems.append(str(error))
            continue
        if by_metric:
            curves[run.row.key] = by_metric
    if problems and not curves:
        raise ConfigError(problems[0])
    if not problems:
        return curves, []
    return curves, [f"Left out: {counted(len(problems), 'run')}, since {problems[0]}."]


def _unknown_metrics(runs: Sequence[RecordedRun], metrics: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each metric that no run has."""
    for metric in metrics:
        if not any(metric in run.metric_summaries for run in runs):
            recorded = {name for run in runs for name in run.metric_summaries}
            yield f"No run here has a metric {metric!r}; {did_you_mean(metric, recorded)}."


def _columns(columns: int, lines: int, max_points: int) -> int:
    """Return the number of pixel columns. The number is smaller for many lines, to limit the size of the answer."""
    return max(_MIN_COLUMNS, min(columns, max_points // (_POINTS_PER_COLUMN * max(lines, 1))))


def _run_lines(curves: PanelCurves, view: View, visible: XRange) -> Iterator[PanelLine]:
    """Yield the lines of single runs. The abandoned branches of a run come before its newest branch."""
    keys = {run.id: run.row.key for run in curves.runs}
    counts = Counter(metric for by_metric in curves.by_run.values() for metric in by_metric)
    for run, label in zip(curves.runs, unique_labels(curves.runs), strict=True):
        for metric, entry in curves.by_run[run.row.key].items():
            parent = keys.get(entry.newest.parent or "")
            own = _view_of(run, metric, view)
            for branch in entry.branches:
                is_whole = not branch.is_abandoned and parent is None
                yield PanelLine(
                    line=branch_line(branch, own, visible, is_raw_drawn=counts[metric] <= MAX_RAW, is_whole=is_whole),
                    metric=metric,
                    label=label,
                    keys=[run.row.key],
                    attempt=branch.attempt,
                    is_abandoned=branch.is_abandoned,
                    parent=None if branch.is_abandoned else parent,
                )


def _group_lines(
    members: Mapping[str, Sequence[RecordedRun]],
    curves: PanelCurves,
    options: LineOptions,
    view: View,
    visible: XRange,
) -> Iterator[PanelLine]:
    for label, runs in members.items():
        for metric in options.metrics:
            measured = [run for run in runs if metric in curves.by_run[run.row.key]]
            if measured:
                keys = [run.row.key for run in measured]
                branches = [
                    (curves.by_run[run.row.key][metric].newest, _view_of(run, metric, view)) for run in measured
                ]
                line = mean_line(branches, visible, options.spread)
                yield PanelLine(line=line, metric=metric, label=label, keys=keys, is_group=True)


def _view_of(run: RecordedRun, metric: str, view: View) -> View:
    """Return the options of a curve, whose smoothing depends on its number of points."""
    return replace(view, smooth=metric_weight(view.smooth, run.metric_summaries, metric)) if view.smooth else view


def _line_notes(lines: Sequence[PanelLine], options: LineOptions, x: str) -> Iterator[str]:
    """Yield notes about the lines, in the words that `runfolio plot` prints below such lines."""
    curves = [line.line for line in lines]
    if lost := sum(line.lost for line in curves):
        yield f"Not shown: {counted(lost, 'point')} before the first {x}."
    if left_out := sum(line.left_out for line in curves):
        yield f"Long curves are thinned, which keeps their spikes: {counted(left_out, 'point')} left out."
    if hidden := sum(line.off_axis for line in curves):
        yield f"{counted(hidden, 'point')} at 0 or below {'is' if hidden == 1 else 'are'} not on the log axis."
    if any(line.broken for line in curves):
        yield "Marks at the bottom: NaN or infinite values."
    if options.view.smooth:
        yield f"Smoothed by {options.view.smooth:g}."
    if any(line.is_raw_drawn for line in curves):
        yield "Pale: logged values."
    if options.group_by and curves:
        yield "Each curve is the mean of n runs."
        if any(line.is_interpolated for line in curves):
            yield "Curves of runs that logged at different positions are interpolated linearly."
        if any(line.count is not None and len(set(line.count.tolist())) > 1 for line in curves):
            yield "If some runs of a group have no points, the mean covers only the other runs."
        yield f"Band: {SPREADS[options.spread]}."
