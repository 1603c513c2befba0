"""`runfolio plot`: curves, histograms, scatter plots and parallel coordinates, in the terminal or as a file."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runfolio.cli.output import output as out
from runfolio.cli.output.options import (
    BEST,
    Command,
    Filters,
    best_by_option,
    chosen_run,
    filtered,
    names_of,
    open_store,
    run_filters,
    store_option,
)
from runfolio.errors import ConfigError, NotFound, nearest
from runfolio.record.points.metric_summary import listed_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from runfolio.query.plots.relations import Parallel
    from runfolio.query.plots.terminal import Screen
    from runfolio.query.run import RecordedRun
    from runfolio.query.store import Folio

_KINDS = {"histogram": "--histogram", "parallel": "--parallel", "scatter": "--scatter"}
_CURVES = "a picture of curves"
_BELONGS = {
    **dict.fromkeys(("smooth", "log", "x", "group_by", "spread"), _CURVES),
    "look": "--histogram",
    "colour": "--scatter",
}
"""Options that one kind of picture alone knows."""
_PIPE_WIDTH, _PIPE_HEIGHT = 80, 24
_BAR = 20


class Size(click.ParamType):
    """`8x5`: width and height."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        fits = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)x(\d{1,3}(?:\.\d+)?)", str(value))
        if fits is None or float(fits[1]) < 1 or float(fits[2]) < 1:
            self.fail(f"{value!r} must be WIDTHxHEIGHT, such as 8x5", param, ctx)
        return float(fits[1]), float(fits[2])


@dataclass(kw_only=True)
class Wish:
    """What was typed."""

    names: tuple[str, ...]
    path: Path | None
    smooth: float
    log: str | None
    x: str | None
    group_by: str | None
    spread: Any
    histogram: str | None
    look: Any
    parallel: bool
    scatter: tuple[str, str] | None
    colour: str | None
    last: int | None
    title: str | None
    size: tuple[float, float] | None
    metric: str
    store: Path | None
    filters: Filters


@dataclass(kw_only=True)
class Picture:
    """One picture, ready to be drawn either way."""

    about: str
    """What it shows, for the line that names the file."""
    figure: Callable[[], Figure]
    show: Callable[[Screen], None]
    """Prints it."""
    facts: list[str] = field(default_factory=list)
    """Worth a line of their own, in the terminal too."""
    warnings: list[str] = field(default_factory=list)


@click.command(cls=Command)
@click.argument("names", nargs=-1, metavar="METRIC... [RUN]...")
@click.option("--out", "path", type=click.Path(path_type=Path), help="Draw into this file: .png, .svg or .pdf.")
@click.option("--smooth", type=float, default=0.0, help="Smooth curves: 0 to below 1, as TensorBoard does.")
@click.option("--log", type=click.Choice(["x", "y", "xy"]), help="Logarithmic axes.")
@click.option("--x", metavar="AXIS", help="What curves are drawn over: step, time, epoch or any metric.")
@click.option("--group-by", metavar="A,B", help="A mean curve for all runs of the same A and B; -A: of all but A.")
@click.option("--spread", type=click.Choice(["minmax", "std"]), default="minmax", help="The band around a mean.")
@click.option("--histogram", metavar="NAME", help="How the numbers of a tensor were distributed over the steps.")
@click.option("--as", "look", type=click.Choice(["ridgeline", "heatmap"]), help="How a histogram looks in a file.")
@click.option("--parallel", is_flag=True, help="All settings that differ, and the metric; a line a run.")
@click.option("--scatter", nargs=2, metavar="A B", help="A point a run: any two columns of `runfolio runs`.")
@click.option("--color", "colour", metavar="C", help="The column that colours the points of a scatter plot.")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the N newest of the runs.")
@click.option("--title", help="Stands above the picture.")
@click.option("--size", type=Size(), metavar="WxH", help="Inches of a file, characters in the terminal.")
@best_by_option
@run_filters
@store_option
@click.pass_context
def plot(ctx: click.Context, **given: Any) -> None:
    """Draw runs: in the terminal, or into a file with --out.

    A name that is a metric is drawn; any other names a run (`best` is one too). Without a run, all that the filters
    choose are drawn. Several metrics make a small picture each. The legend names the best run first.

    \b
    runfolio plot val/acc
    runfolio plot train/loss val/loss k3f9 a7x2 --smooth 0.9 --log y --out losses.svg
    runfolio plot val/acc --group-by -seed --experiment digits
    runfolio plot --histogram grad/head.weight k3f9 --out head.png --as heatmap
    runfolio plot --parallel val/acc --out settings.png
    runfolio plot --scatter lr val/acc --color model
    """
    from runfolio.query.plots import style

    filters = Filters(**{name: given.pop(name) for name in Filters.__annotations__})
    wish = Wish(**given, filters=filters)
    kind = _kind(ctx, wish)
    if wish.path is not None:
        style.check_ending(wish.path)
    folio = open_store(wish.store)
    picture = {"histogram": _histogram, "parallel": _parallel, "scatter": _scatter}.get(kind, _curves)(folio, wish)
    if wish.path is not None:
        style.save(picture.figure(), wish.path)
        out.line(f"{picture.about}: {wish.path}")
    else:
        picture.show(screen_of(wish.size))
    for fact in picture.facts:
        out.line(fact)
    out.warn(picture.warnings)


def _kind(ctx: click.Context, wish: Wish) -> str:
    """Which kind of picture is wanted; refuses options of another kind, which would do nothing."""
    wanted = [kind for kind in _KINDS if getattr(wish, kind)]
    if len(wanted) > 1:
        raise click.UsageError(f"one picture at a time: {' or '.join(_KINDS[kind] for kind in wanted)}", ctx)
    this = _KINDS[wanted[0]] if wanted else _CURVES
    for param in ctx.command.params:
        typed = ctx.get_parameter_source(param.name or "") is click.core.ParameterSource.COMMANDLINE
        belongs = _BELONGS.get(param.name or "")
        if typed and belongs not in (None, this):
            raise click.UsageError(f"{param.opts[0]} is for {belongs} alone", ctx)
    return wanted[0] if wanted else ""


def _curves(folio: Folio, wish: Wish) -> Picture:
    from runfolio.query.plots.curve_drawing import draw_curves
    from runfolio.query.plots.curve_panels import CurveOptions, curve_panels
    from runfolio.query.plots.terminal import curves_text

    options = CurveOptions(
        x=wish.x,
        smooth=wish.smooth,
        log=wish.log or "",
        group_by=names_of(wish.group_by),
        spread=wish.spread,
    )
    metrics, names, warnings = _split(folio, wish)
    if not metrics:
        known = sorted({name for run in folio.runs(archived=True) for name in listed_metrics(run.metrics)})
        raise ConfigError(f"name a metric to draw; there are {', '.join(known) or 'none yet'}")
    runs, facts = _runs(folio, names, wish)
    panels = curve_panels(metrics, runs, options)
    drawn = [run for run in runs if any(metric in run.metric_summaries for metric in metrics)]
    if names:
        lacking = [run for run in runs if run not in drawn]
        warnings += [f"no {' or '.join(metrics)} in {run.name} ({run.id})" for run in lacking]
    return Picture(
        about=f"{', '.join(metrics)} of {out.count(len(drawn), 'run')}",
        figure=lambda: draw_curves(panels, log=options.log, title=wish.title, size=wish.size),
        show=lambda screen: _print(curves_text(panels, screen, log=options.log, title=wish.title)),
        facts=facts,
        warnings=warnings,
    )


def _histogram(folio: Folio, wish: Wish) -> Picture:
    from runfolio.query.plots.histograms import distribution, draw_distribution
    from runfolio.query.plots.terminal import heatmap_text

    runs, _ = _runs(folio, wish.names, wish)
    if len(runs) != 1:
        raise ConfigError(f"a histogram is of one run, and here are {len(runs)}; name one, or say --last 1")
    shown = distribution(runs[0], wish.histogram or "")
    return Picture(
        about=f"{shown.name} of {shown.run}",
        figure=lambda: draw_distribution(shown, wish.look or "ridgeline", title=wish.title, size=wish.size),
        show=lambda screen: _print(heatmap_text(shown, screen, title=wish.title)),
    )


def _scatter(folio: Folio, wish: Wish) -> Picture:
    from runfolio.query.plots.relation_drawing import draw_scatter
    from runfolio.query.plots.relations import scatter
    from runfolio.query.plots.terminal import scatter_text

    x, y = wish.scatter or ("", "")
    runs, facts = _runs(folio, wish.names, wish)
    shown = scatter(runs, x, y, wish.colour)
    return Picture(
        about=f"{y} over {x} of {out.count(len(shown.labels), 'run')}",
        figure=lambda: draw_scatter(shown, title=wish.title, size=wish.size),
        show=lambda screen: _print(scatter_text(shown, screen, title=wish.title)),
        facts=[*shown.notes, *facts],
    )


def _parallel(folio: Folio, wish: Wish) -> Picture:
    from runfolio.query.plots.relation_drawing import draw_parallel
    from runfolio.query.plots.relations import parallel

    metrics, names, warnings = _split(folio, wish)
    if len(metrics) != 1:
        raise ConfigError(f"--parallel takes one metric, not {len(metrics)}: `runfolio plot --parallel val/acc`")
    runs, facts = _runs(folio, names, wish)
    shown = parallel(runs, metrics[0])
    return Picture(
        about=f"{out.count(len(shown.settings), 'setting')} and {metrics[0]} of {out.count(len(shown.labels), 'run')}",
        figure=lambda: draw_parallel(shown, title=wish.title, size=wish.size),
        show=lambda _: _show_parallel(shown, wish.title),
        facts=[*shown.notes, *facts],
        warnings=warnings,
    )


def _split(folio: Folio, wish: Wish) -> tuple[list[str], list[str], list[str]]:
    """The names that are metrics, those of runs, and what is to be said of names that are both."""
    every = folio.runs(archived=True)
    known = {name for run in every for name in (*run.metric_summaries, *(run.flat_summary if wish.parallel else ()))}
    runs = {name for run in every for name in (run.id, run.name)}
    metrics, others, said = [], [], []
    for name in dict.fromkeys(wish.names):
        if name not in known:
            others.append(name)
            continue
        metrics.append(name)
        if name in runs:
            said.append(f"{name} is a metric and a run: taken as the metric; the run goes by its id")
    for name in others:
        if name != BEST:
            _must_be_run(folio, name, known)
    return metrics, others, said


def _must_be_run(folio: Folio, name: str, metrics: set[str]) -> None:
    try:
        folio.run(name)
    except NotFound:
        if near := nearest(name, metrics):
            raise NotFound(f"{name!r} is no metric and no run here; did you mean {' or '.join(near)}?") from None
        raise


def _runs(folio: Folio, names: list[str] | tuple[str, ...], wish: Wish) -> tuple[list[RecordedRun], list[str]]:
    """The runs named, else those the filters choose; and what is left out."""
    facts: list[str] = []
    if names:
        runs = [chosen_run(name, wish.metric, wish.filters["experiment"], folio) for name in dict.fromkeys(names)]
    else:
        found, hidden = filtered(folio, wish.filters)
        runs = list(found)
        facts = [f"{out.count(hidden, 'archived run')} not shown; --archived adds them."] if hidden else []
    return runs[: wish.last], facts


def screen_of(size: tuple[float, float] | None) -> Screen:
    """The terminal as it is; a pipe gets plain characters and 80 columns."""
    from runfolio.query.plots.terminal import Screen

    console = out.stdout()
    colour = console.is_terminal and not console.no_color
    if size is not None:
        return Screen(width=max(30, int(size[0])), height=max(8, int(size[1])), colour=colour)
    terminal = shutil.get_terminal_size((_PIPE_WIDTH, _PIPE_HEIGHT))
    return Screen(width=max(30, terminal.columns), height=max(10, min(24, terminal.lines - 6)), colour=colour)


def _print(text: str) -> None:
    click.echo(text)


def _show_parallel(shown: Parallel, title: str | None) -> None:
    """A row a run, the best first, with a bar as long as its metric lies far along the axis."""
    from runfolio.cli.output import formatting
    from runfolio.query.plots.relations import heights

    if title:
        out.line(title)
    axes = [*shown.settings, shown.metric]
    bars = ["" if height != height else "█" * round(_BAR * height) or "▏" for height in heights(shown.metric)]
    rows = [
        {"run": label, "bar": bar, **{axis.name: axis.values[place] for axis in axes}}
        for place, (label, bar) in enumerate(zip(shown.labels, bars, strict=True))
    ]
    setting = formatting.each(formatting.value)
    columns = [
        out.Column(key="run", title="run", show=formatting.each(str)),
        *(
            out.Column(key=axis.name, title=axis.name, show=setting, number=axis.categories is None, spare=True)
            for axis in shown.settings
        ),
        out.Column(key=shown.metric.name, title=shown.metric.name, show=formatting.aligned, number=True),
        out.Column(key="bar", title="", show=formatting.each(str)),
    ]
    out.show_table(out.Table(columns=columns, rows=rows), "table")
