"""Preparation of plots for the terminal or a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runfolio.cli.output import formatting
from runfolio.cli.output.console import print_drawing, print_line
from runfolio.cli.output.display_table import Column, DisplayTable, print_table
from runfolio.cli.output.options import BEST, RunFilters, filter_runs, has_filters, run_or_best
from runfolio.errors import ConfigError, NotFound, nearest
from runfolio.record.base.plurals import counted
from runfolio.record.base.visible_text import visible_line
from runfolio.record.points.metric_summary import listed_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from runfolio.query.plots.relations import Parallel
    from runfolio.query.plots.terminal import Screen
    from runfolio.query.run import RecordedRun
    from runfolio.query.store import Folio

_BAR_WIDTH = 20


@dataclass(kw_only=True)
class PlotOptions:
    """Arguments and options of `runfolio plot`."""

    names: tuple[str, ...]
    path: Path | None
    smooth: float
    log: str | None
    x: str | None
    group_by: str | None
    spread: Any
    overlay: bool
    legend: Any
    x_range: tuple[float, float] | None
    y_range: tuple[float, float] | None
    histogram: str | None
    look: Any
    parallel: bool
    scatter: tuple[str, str] | None
    colour: str | None
    limit: int | None
    title: str | None
    size: tuple[float, float] | None
    metric: str
    store: Path | None
    filters: RunFilters


@dataclass(kw_only=True)
class Plot:
    """Plot that can be drawn in the terminal or in a file."""

    description: str
    """Description that is printed before the name of the file."""
    figure: Callable[[], Figure]
    print_to: Callable[[Screen], None]
    notes: list[str] = field(default_factory=list)
    """Notes that are printed after the plot."""
    warnings: list[str] = field(default_factory=list)


def curves_plot(folio: Folio, options: PlotOptions) -> Plot:
    """Prepare the curves of one or several metrics."""
    from runfolio.query.plots.curve_drawing import draw_curves
    from runfolio.query.plots.curve_panels import CurveOptions, curve_panels
    from runfolio.query.plots.overlay import overlay
    from runfolio.query.plots.terminal import curves_text
    from runfolio.query.selection.duplicates import distinct_runs

    curve_options = CurveOptions(
        x=options.x,
        smooth=options.smooth,
        log=options.log or "",
        group_by=options.group_by or (),
        spread=options.spread,
        x_range=options.x_range,
    )
    metrics, run_names, warnings = _split_metrics_and_runs(folio, options)
    if not metrics:
        recorded = sorted({name for run in folio.runs(archived=True) for name in listed_metrics(run.metrics)})
        raise ConfigError(f"name a metric to draw; the recorded metrics are {', '.join(recorded) or 'none yet'}")
    runs, notes = _select_runs(folio, run_names, options)
    panels = curve_panels(metrics, runs, curve_options, named=bool(run_names))
    metrics = [panel.metric for panel in panels]
    counting = runs if run_names and not options.group_by else distinct_runs(runs).runs
    drawn = [run for run in counting if any(metric in run.metric_summaries for metric in metrics)]
    if run_names:
        lacking = [run for run in counting if run not in drawn]
        warnings += [f"{run.name} ({run.id}) has no {' or '.join(metrics)}" for run in lacking]
    if len(drawn) > 1 and not (run_names or options.limit or has_filters(options.filters)):
        notes.append(f"All {len(drawn)} runs are drawn; `runfolio plot {metrics[0]} last` draws the newest.")
    if options.overlay:
        panels = [overlay(panels)]
    look: dict[str, Any] = {"log": curve_options.log, "title": options.title, "y_range": options.y_range}
    return Plot(
        description=f"{', '.join(metrics)} of {counted(len(drawn), 'run')}",
        figure=lambda: draw_curves(panels, size=options.size, legend=options.legend, **look),
        print_to=lambda screen: print_drawing(
            curves_text(panels, screen, has_legend=options.legend != "none", **look),
        ),
        notes=notes,
        warnings=warnings,
    )


def histogram_plot(folio: Folio, options: PlotOptions) -> Plot:
    """Prepare a plot that shows the distribution of a tensor's values at each step of one run."""
    from runfolio.query.plots.histograms import distribution, draw_distribution
    from runfolio.query.plots.terminal import heatmap_text

    runs, _ = _select_runs(folio, options.names, options)
    if len(runs) != 1:
        raise ConfigError(f"a histogram needs one run, not {len(runs)}; name one run, or add --limit 1")
    shown = distribution(runs[0], options.histogram or "")
    return Plot(
        description=f"{shown.name} of {shown.run}",
        figure=lambda: draw_distribution(shown, options.look or "ridgeline", title=options.title, size=options.size),
        print_to=lambda screen: print_drawing(heatmap_text(shown, screen, title=options.title)),
    )


def scatter_plot(folio: Folio, options: PlotOptions) -> Plot:
    """Prepare a scatter plot of two columns of the table of runs."""
    from runfolio.query.plots.relation_drawing import draw_scatter
    from runfolio.query.plots.relations import scatter
    from runfolio.query.plots.terminal import scatter_text

    x, y = options.scatter or ("", "")
    runs, notes = _select_runs(folio, options.names, options)
    shown = scatter(runs, x, y, options.colour)
    return Plot(
        description=f"{y} over {x} of {counted(len(shown.labels), 'run')}",
        figure=lambda: draw_scatter(shown, title=options.title, size=options.size),
        print_to=lambda screen: print_drawing(scatter_text(shown, screen, title=options.title)),
        notes=[*shown.notes, *notes],
    )


def parallel_plot(folio: Folio, options: PlotOptions) -> Plot:
    """Prepare a parallel-coordinates plot that shows one metric and all settings that differ."""
    from runfolio.query.plots.relation_drawing import draw_parallel
    from runfolio.query.plots.relations import parallel

    metrics, run_names, warnings = _split_metrics_and_runs(folio, options)
    if len(metrics) != 1:
        raise ConfigError(
            f"--parallel takes one metric, not {len(metrics)}; an example is `runfolio plot --parallel val/acc`"
        )
    runs, notes = _select_runs(folio, run_names, options)
    shown = parallel(runs, metrics[0])
    settings, run_count = counted(len(shown.settings), "setting"), counted(len(shown.labels), "run")
    return Plot(
        description=f"{settings} and {metrics[0]} of {run_count}",
        figure=lambda: draw_parallel(shown, title=options.title, size=options.size),
        print_to=lambda _: _print_parallel(shown, options.title),
        notes=[*shown.notes, *notes],
        warnings=warnings,
    )


def _split_metrics_and_runs(folio: Folio, options: PlotOptions) -> tuple[list[str], list[str], list[str]]:
    """Split the names into metrics and runs. Return both lists, and a warning for each name that is both a metric and a
    run."""
    stored = folio.runs(archived=True)
    metric_names = {
        name for run in stored for name in (*run.metric_summaries, *(run.flat_summary if options.parallel else ()))
    }
    stored_names = {name for run in stored for name in (run.id, run.name)}
    metrics, run_names, warnings = [], [], []
    for name in dict.fromkeys(options.names):
        if name not in metric_names and name.removeprefix("metrics.") not in metric_names:
            run_names.append(name)
            continue
        metrics.append(name)
        if name in stored_names:
            warnings.append(f"{name} is both a metric and a run, and the metric is drawn; name the run by its id")
    for name in run_names:
        if name != BEST:
            _check_run_name(folio, name, metric_names)
    return metrics, run_names, warnings


def _check_run_name(folio: Folio, name: str, metrics: set[str]) -> None:
    try:
        folio.run(name)
    except NotFound:
        if near := nearest(name, metrics):
            raise NotFound(f"{name!r} is neither a metric nor a run; did you mean {' or '.join(near)}?") from None
        raise


def _select_runs(folio: Folio, names: Sequence[str], options: PlotOptions) -> tuple[list[RecordedRun], list[str]]:
    """Return the named runs or, without names, the runs that match the filters. Also return a note about hidden
    archived runs."""
    notes: list[str] = []
    if names:
        experiment = options.filters["experiment"]
        runs = [run_or_best(name, options.metric, experiment, folio) for name in dict.fromkeys(names)]
    else:
        matches, hidden = filter_runs(folio, options.filters)
        runs = list(matches)
        notes = [f"{counted(hidden, 'archived run')} not shown; --archived adds them."] if hidden else []
    return runs[: options.limit], notes


def _print_parallel(shown: Parallel, title: str | None) -> None:
    """Print one row per run, best first. A bar shows the position of the run's value on the metric's axis."""
    from runfolio.cli.output.tables import measured_heading
    from runfolio.query.plots.relations import heights

    if title:
        print_line(title)
    axes = [*shown.settings, shown.metric]
    bars = ["" if height != height else "█" * round(_BAR_WIDTH * height) or "▏" for height in heights(shown.metric)]
    rows = [
        {"run": label, "bar": bar, **{axis.name: axis.values[index] for axis in axes}}
        for index, (label, bar) in enumerate(zip(shown.labels, bars, strict=True))
    ]
    setting = formatting.elementwise(formatting.setting_value)
    columns = [
        Column(key="run", title="run", formatter=formatting.elementwise(str)),
        *(
            Column(key=axis.name, title=visible_line(axis.name), formatter=setting, number=axis.categories is None)
            for axis in shown.settings
        ),
        Column(
            key=shown.metric.name,
            title=measured_heading(shown.metric.name),
            formatter=formatting.aligned_numbers,
            number=True,
        ),
        Column(key="bar", title="", formatter=formatting.elementwise(str), optional=1),
    ]
    print_table(DisplayTable(columns=columns, rows=rows, in_blocks=True))
