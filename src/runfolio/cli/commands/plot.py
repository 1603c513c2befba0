"""`runfolio plot`: curves, histograms, scatter plots and parallel coordinates in the terminal or in a file."""

from __future__ import annotations

from typing import Any

import click

from runfolio.cli.output.console import print_line, print_warnings
from runfolio.cli.output.logdirs import logdir_option, open_logdir
from runfolio.cli.output.options import (
    Command,
    RunFilters,
    best_metric_option,
    limit_option,
    open_store,
    run_filters,
    store_option,
)
from runfolio.cli.output.param_types import FigureSizeParamType, PathParamType
from runfolio.cli.output.plot_screen import plot_screen
from runfolio.cli.pages.plot import PlotOptions, curves_plot, histogram_plot, parallel_plot, scatter_plot

_KINDS = {"histogram": "--histogram", "parallel": "--parallel", "scatter": "--scatter"}
_CURVES = "plots of curves"
_KIND_OF_OPTION = {
    **dict.fromkeys(("smooth", "log", "x", "group_by", "spread", "overlay", "legend", "x_range", "y_range"), _CURVES),
    "look": "--histogram",
    "colour": "--scatter",
}
"""Options that apply to only one kind of plot, with the kind of each option."""
_PREPARE = {"histogram": histogram_plot, "parallel": parallel_plot, "scatter": scatter_plot}


@click.command(cls=Command)
@click.argument("names", nargs=-1, metavar="METRIC... [RUN]...")
@click.option("--out", "path", type=PathParamType(), help="Draw to this file: .png, .svg or .pdf.")
@click.option("--smooth", type=float, default=0.0, help="Smoothing of curves, from 0 to below 1, as in TensorBoard.")
@click.option("--log", type=click.Choice(["x", "y", "xy"]), help="Axes with a logarithmic scale.")
@click.option("--x", metavar="AXIS", help="The x axis of curves: step, time, epoch or any metric.")
@click.option(
    "--group-by", metavar="A,B", help="Draw the mean of runs with the same A and B; -A groups by all settings except A."
)
@click.option("--spread", type=click.Choice(["minmax", "std", "ci"]), default="minmax", help="The band around a mean.")
@click.option("--overlay", is_flag=True, help="Draw all metrics in one plot.")
@click.option(
    "--legend",
    type=click.Choice(["beside", "inside", "below", "none"]),
    default="beside",
    help="Position of the legend in a file.",
)
@click.option(
    "--xlim", "x_range", nargs=2, type=float, metavar="LOW HIGH", help="Range of the x axis, in seconds for time."
)
@click.option("--ylim", "y_range", nargs=2, type=float, metavar="LOW HIGH", help="Range of the y axis.")
@click.option("--histogram", metavar="NAME", help="Draw the distribution of a tensor's values over the steps.")
@click.option("--as", "look", type=click.Choice(["ridgeline", "heatmap"]), help="Style of a histogram in a file.")
@click.option("--parallel", is_flag=True, help="Draw the metric and all settings that differ, most important first.")
@click.option(
    "--scatter", nargs=2, metavar="A B", help="Draw one point per run; A and B are columns of `runfolio runs`."
)
@click.option("--color", "colour", metavar="C", help="The column that colours the points of a scatter plot.")
@limit_option
@click.option("--title", help="Title above the plot.")
@click.option(
    "--size", type=FigureSizeParamType(), metavar="WxH", help="Size: inches in a file, characters in the terminal."
)
@best_metric_option
@run_filters
@store_option
@logdir_option
@click.pass_context
def plot(ctx: click.Context, **arguments: Any) -> None:
    """Draw runs in the terminal, or to a file with --out.

    Each name selects a metric or, if no metric has this name, a run. `best` is the best run, and `last` is the newest
    run. Without a run, all runs that match the filters are drawn, except reproductions and duplicates. Several metrics
    are drawn as separate small plots. The legend starts with the best run.

    --scatter, --color and --group-by take the columns of `runfolio runs`. For example, lr is the setting, and
    metrics.lr is the logged metric. A metric's value is taken from the run's summary. If the summary lacks the metric,
    the best value of the curve is used. The label of the axis names the kind of value.

    \b
    runfolio plot val/acc
    runfolio plot val/acc last
    runfolio plot train/loss val/loss k3f9 a7x2 --smooth 0.9 --log y --out losses.svg
    runfolio plot val/acc --group-by -seed --experiment digits
    runfolio plot --histogram grad/head.weight k3f9 --out head.png --as heatmap
    runfolio plot --parallel val/acc --out settings.png
    runfolio plot --scatter lr val/acc --color model
    runfolio plot train/loss --logdir lightning_logs
    """
    from runfolio.query.plots import style

    if (logdir := arguments.pop("logdir")) is not None:
        arguments["store"] = open_logdir(logdir, arguments["store"]).store
    filters = RunFilters(**{name: arguments.pop(name) for name in RunFilters.__annotations__})
    options = PlotOptions(**arguments, filters=filters)
    prepare = _PREPARE.get(_plot_kind(ctx, options), curves_plot)
    if options.path is not None:
        style.check_ending(options.path)
    shown = prepare(open_store(options.store), options)
    if options.path is not None:
        style.save(shown.figure(), options.path)
        print_line(f"{shown.description}: {options.path}")
    else:
        shown.print_to(plot_screen(options.size))
    for note in shown.notes:
        print_line(note)
    print_warnings(shown.warnings)


def _plot_kind(ctx: click.Context, options: PlotOptions) -> str:
    """Return the kind of plot, or "" for curves. Options for other kinds of plots are rejected."""
    kinds = [kind for kind in _KINDS if getattr(options, kind)]
    if len(kinds) > 1:
        raise click.UsageError(f"choose one kind of plot: {' or '.join(_KINDS[kind] for kind in kinds)}", ctx)
    kind_name = _KINDS[kinds[0]] if kinds else _CURVES
    for param in ctx.command.params:
        is_typed = ctx.get_parameter_source(param.name or "") is click.core.ParameterSource.COMMANDLINE
        required_kind = _KIND_OF_OPTION.get(param.name or "")
        if is_typed and required_kind not in (None, kind_name):
            raise click.UsageError(f"{param.opts[0]} is only for {required_kind}", ctx)
    return kinds[0] if kinds else ""
