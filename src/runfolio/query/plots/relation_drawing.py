"""Drawing of scatter plots and parallel-coordinates plots with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from runfolio.query.plots import style
from runfolio.query.plots.relations import Axis, Parallel, Scatter, ends, heights

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "os^DvP*X"
_MAX_VALUE_TICKS = 6
"""Maximum number of distinct values on an axis that has a tick at every value."""
_MAX_NAMED_POINTS = 5
"""Maximum number of points that are labelled with the names of their runs. More labels would overlap."""


def draw_scatter(shown: Scatter, *, title: str | None = None, size: tuple[float, float] | None = None) -> Figure:
    """Draw a scatter plot with one point per run.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure = style.new_figure(*(size or (7.2, 5.0)))
    axes = figure.add_subplot()
    style.plain_axes(axes, shown.x.name, shown.y.name)
    axes.grid(axis="x", color=style.GRID, linewidth=0.8)
    _draw_points(figure, axes, shown)
    for axis_name, axis in (("x", shown.x), ("y", shown.y)):
        _scale(axes, axis_name, axis)
    if len(shown.labels) <= _MAX_NAMED_POINTS:
        for label, x, y in zip(shown.labels, shown.x.positions, shown.y.positions, strict=True):
            text = style.literal(style.short(label))
            axes.annotate(text, (x, y), (4, 5), textcoords="offset points", fontsize=8, color=style.FAINT)
    style.notes_below(figure, shown.notes)
    style.heading(figure, title)
    return figure


def draw_parallel(shown: Parallel, *, title: str | None = None, size: tuple[float, float] | None = None) -> Figure:
    """Draw a parallel-coordinates plot. Each run is a line from its settings to the metric, coloured by the metric.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    parallel_axes = [*shown.settings, shown.metric]
    figure = style.new_figure(*(size or (max(7.2, 1.5 * len(parallel_axes) + 1.0), 4.8)))
    from matplotlib import colormaps

    axes = figure.add_subplot()
    crossings = np.stack([heights(axis) for axis in parallel_axes])
    distance = crossings[-1] if shown.lower_is_better else 1 - crossings[-1]
    colours = colormaps[style.SCALE](np.nan_to_num(distance) * 0.92)  # the yellow end of the scale is too pale
    for run in reversed(range(crossings.shape[1])):
        has_metric = not np.isnan(crossings[-1, run])
        axes.plot(
            range(len(parallel_axes)),
            np.where(np.isnan(crossings[:, run]), _MISSING, crossings[:, run]),
            color=colours[run] if has_metric else style.OTHERS,
            linestyle="-" if has_metric else ":",
            linewidth=2.4 if run == 0 else 1.3,
            alpha=1.0 if run == 0 else 0.75,
            zorder=3 - run / 10000,
        )
    for position, axis in enumerate(parallel_axes):
        _draw_axis(axes, position, axis)
    axes.set_xlim(-0.1, len(parallel_axes) - 0.4)
    axes.set_ylim(_MISSING - 0.05, 1.05)
    axes.set_axis_off()
    best = f"Thick line: {style.short(shown.labels[0])}, the best run." if len(shown.labels) > 1 else shown.labels[0]
    style.notes_below(figure, [best, *shown.notes])
    style.heading(figure, title)
    return figure


_MISSING = -0.1
"""Height at which a run without a value crosses an axis."""


def _draw_axis(axes: Axes, position: int, axis: Axis) -> None:
    axes.plot([position, position], [0, 1], color="#999999", linewidth=1, zorder=4)
    axes.text(position, 1.06, style.literal(axis.name), ha="center", va="bottom", fontsize=9, color=style.INK)
    low, high = ends(axis)
    ticks = [((at - low) / (high - low), text) for at, text in _ticks(axis, low, high)]
    if np.isnan(axis.shown).any():
        ticks.append((_MISSING, "none"))
    for height, text in ticks:
        axes.text(
            position + 0.03,
            height,
            style.literal(text),
            va="center",
            fontsize=8,
            color=style.INK,
            zorder=5,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8},
        )


def _ticks(axis: Axis, low: float, high: float) -> list[tuple[float, str]]:
    """Return the position and the label of each tick. Positions are in the units of `Axis.shown`."""
    if axis.categories is not None:
        return [(float(position), style.short(name)) for position, name in enumerate(axis.categories)]
    values = np.unique(axis.positions[~np.isnan(axis.positions)])
    if len(values) <= _MAX_VALUE_TICKS:
        return [(float(np.log10(value) if axis.log else value), f"{value:g}") for value in values]
    from matplotlib.ticker import MaxNLocator

    if axis.log:
        decades = range(int(np.ceil(low)), int(np.floor(high)) + 1)
        return [(float(power), f"{10.0**power:g}") for power in decades]
    inside = [float(at) for at in MaxNLocator(5).tick_values(low, high) if low <= at <= high]
    return [(at, f"{at:g}") for at in inside]


def _draw_points(figure: Figure, axes: Axes, shown: Scatter) -> None:
    options = {"s": 42, "edgecolors": "white", "linewidths": 0.7, "zorder": 3}
    x, y, colour = shown.x.positions, shown.y.positions, shown.colour
    if colour is None:
        axes.scatter(x, y, color=style.COLOURS[0], **options)
        return
    missing = np.isnan(colour.positions)
    if missing.any():
        axes.scatter(x[missing], y[missing], color=style.OTHERS, label="none", **options)
    if colour.categories is None:
        from matplotlib.colors import LogNorm, Normalize

        norm = LogNorm() if colour.log else Normalize()
        drawn = axes.scatter(
            x[~missing], y[~missing], c=colour.positions[~missing], cmap=style.SCALE, norm=norm, **options
        )
        figure.colorbar(drawn, ax=axes, label=style.literal(colour.name), pad=0.02)
        return
    for position, category in enumerate(colour.categories):
        in_category = colour.positions == position
        look = {
            "color": style.colour_of(position),
            "marker": _MARKERS[position // len(style.COLOURS) % len(_MARKERS)],
        }
        axes.scatter(x[in_category], y[in_category], label=style.literal(style.short(category)), **look, **options)
    figure.legend(
        loc="outside right upper", title=style.literal(colour.name), alignment="left", frameon=False, fontsize=9
    )


def _scale(axes: Axes, axis_name: str, axis: Axis) -> None:
    if axis.log:
        axes.set_xscale("log") if axis_name == "x" else axes.set_yscale("log")
    if axis.categories is not None:
        ticks = axes.set_xticks if axis_name == "x" else axes.set_yticks
        ticks(range(len(axis.categories)), [style.literal(style.short(name)) for name in axis.categories])
