"""Drawing of curve panels with matplotlib."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from runfolio.query.plots import style
from runfolio.query.plots.axis_thinning import drawn_indices
from runfolio.query.plots.curve_panels import Line, Panel
from runfolio.query.plots.overlay import kind_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_COLOURED, COLOURED_OF_MANY = 24, 8
"""Maximum number of lines for which every line has a colour. If there are more lines, only `COLOURED_OF_MANY` lines
have a colour."""
_MAX_MARKED_POINTS = 40
"""Maximum number of points of a curve that has a marker at every point."""
_COLUMNS = 1000
"""Assumed width of an axis in pixel columns. Curves with more points are thinned to this width."""
_MAX_BROKEN = 4000
"""Maximum number of marked ranges per curve. A marked range contains values that are not finite."""
_LEGEND_LINE_INCHES = 0.24
_GREY = -1
"""Colour index that means grey."""
_PALE = 0.35
"""Opacity of pale lines."""
_Y_MARGIN = 0.05
"""Space above and below the curves, as a share of their range."""


Legend = Literal["beside", "inside", "below", "none"]
"""Position of the legend."""


def draw_curves(
    panels: Sequence[Panel],
    *,
    log: str = "",
    title: str | None = None,
    size: tuple[float, float] | None = None,
    legend: Legend = "beside",
    y_range: tuple[float, float] | None = None,
) -> Figure:
    """Draw panels with a common legend. The best curves come first in the legend.

    NaN and infinite values appear as gaps, which are marked at the bottom. A point between two gaps is drawn as a dot.
    Panels that show the same kind of metric have the same y range.

    Args:
        panels: Panels to draw.
        log: Axes with a logarithmic scale: `x`, `y` or `xy`.
        title: Title of the figure.
        size: Width and height of the figure in inches.
        legend: Position of the legend.
        y_range: Lower and upper limits of the y axis in all panels. Default: limits that fit the curves.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    entries = _legend_entries(panels)
    columns = 1 if len(panels) == 1 else 2 if len(panels) <= 4 else 3
    rows = math.ceil(len(panels) / columns)
    figure = style.new_figure(*(size or _size(columns, rows, list(entries) if legend == "beside" else [])))
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    is_crowded = len(entries) > MAX_COLOURED
    for axes, panel in zip(grid, panels, strict=False):
        _draw_panel(axes, panel, log, alone=len(panels) == 1, is_crowded=is_crowded)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    _share_y_ranges(list(zip(grid, panels, strict=False)), y_range)
    if legend != "none":
        _legend(figure, grid[0], panels, entries, legend)
    if legend != "below":  # a legend below contains the notes
        style.notes_below(figure, _notes(panels))
    style.heading(figure, title)
    return figure


def _share_y_ranges(drawn: Sequence[tuple[Axes, Panel]], y_range: tuple[float, float] | None) -> None:
    kinds: dict[str, list[Axes]] = {}
    for axes, panel in drawn:
        if any(np.isfinite(line.y).any() for line in panel.lines):
            kinds.setdefault(kind_of(panel.metric), []).append(axes)
    for group in kinds.values():
        lows, highs = zip(*(axes.get_ylim() for axes in group), strict=True)
        for axes in group:
            axes.set_ylim(*(y_range or (min(lows), max(highs))))


def _notes(panels: Sequence[Panel]) -> list[str]:
    return list(dict.fromkeys(note for panel in panels for note in (*panel.notes, *panel.shades)))


def _size(columns: int, rows: int, names: Sequence[str]) -> tuple[float, float]:
    width, height = (7.2, 4.2) if columns == rows == 1 else (4.4 * columns, 3.1 * rows)
    shown = names if len(names) <= MAX_COLOURED else names[:COLOURED_OF_MANY]
    legend_width = 0.6 + 0.068 * max(map(len, shown), default=0)
    return width + legend_width, max(height, _LEGEND_LINE_INCHES * (len(shown) + 2))


def _legend_entries(panels: Sequence[Panel]) -> dict[str, Line]:
    """Return the lines to list in the legend, one per position, keyed by their labels. The lines are sorted by
    position."""
    first = {line.position: line for panel in reversed(panels) for line in panel.lines if not line.is_pale}
    numbers = {first[position].label: number for number, position in enumerate(sorted(first), start=1)}
    return {_legend_label(first[position], panels, numbers): first[position] for position in sorted(first)}


def _legend_label(line: Line, panels: Sequence[Panel], numbers: Mapping[str, int]) -> str:
    """Return the label of a curve. If another curve hides it, the label includes the other curve's number."""
    label = style.short(line.label)
    if len(panels) > 1:
        return label
    if line.same_as is not None:
        label = f"{label} = no. {numbers[line.same_as]}"
    if panels[0].heading is None:
        return label
    return (
        f"{label}   {line.best:#.4g}"
        if line.best is not None and math.isfinite(line.best)
        else f"{label}   (no number)"
    )


def _draw_panel(axes: Axes, panel: Panel, log: str, *, alone: bool, is_crowded: bool) -> None:
    style.plain_axes(axes, panel.x_label, panel.metric if alone else None)
    if not alone:
        axes.set_title(style.literal(panel.metric), loc="left", fontsize=10, color=style.INK)
    for line in panel.lines:
        if line.is_pale:
            alpha = _PALE if line.colour != _GREY else 1.0
            _draw_thin_line(axes, line, _colour(line), alpha=alpha, is_log="x" in log)
        elif is_crowded and line.position >= COLOURED_OF_MANY:
            _draw_thin_line(axes, line, style.OTHERS, alpha=1.0, is_log="x" in log)
        else:
            _draw_line(axes, line, is_log="x" in log)
    _mark_non_finite(axes, panel.lines)
    if not any(np.isfinite(line.y).any() for line in panel.lines):
        axes.text(0.5, 0.5, "no finite value", transform=axes.transAxes, ha="center", color=style.FAINT)
        axes.set_yticks([])
    _scale_axes(axes, panel, log)


def _scale_axes(axes: Axes, panel: Panel, log: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.margins(x=0.02)
    if panel.x_range is not None:
        low, high = panel.x_range
        axes.set_xlim(None if "x" in log and low <= 0 else low, high)
    if "x" in log:
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(
            MaxNLocator(nbins="auto", integer=all((line.x % 1 == 0).all() for line in panel.lines))
        )
    if "y" in log:
        axes.set_yscale("log")
    if panel.x_range is not None and (limits := _visible_limits(panel.lines, panel.x_range, is_log="y" in log)):
        axes.set_ylim(limits)


def _visible_limits(lines: Sequence[Line], x_range: tuple[float, float], *, is_log: bool) -> tuple[float, float] | None:
    """Return limits of the y axis that fit the points in a range of x, or None if there are no such points."""
    visible: list[np.ndarray] = []
    for line in lines:
        inside = (line.x >= x_range[0]) & (line.x <= x_range[1])
        visible += [array[inside] for array in (line.y, line.raw, line.low, line.high) if array is not None]
    values = np.concatenate([np.empty(0), *visible])
    values = values[np.isfinite(values) & ((values > 0) | (not is_log))]
    if not len(values):
        return None
    low, high = (np.log10(values) if is_log else values).min(), (np.log10(values) if is_log else values).max()
    margin = _Y_MARGIN * (high - low) or abs(low) * _Y_MARGIN or _Y_MARGIN
    limits = low - margin, high + margin
    return (10 ** limits[0], 10 ** limits[1]) if is_log else limits


def _draw_line(axes: Axes, line: Line, *, is_log: bool) -> None:
    colour = _colour(line)
    # The best curve is drawn last, on top of the others. A curve that coincides with another curve is drawn over that
    # curve with dashes.
    order = (3 if line.same_as is None else 4) - line.position / 1000
    if line.low is not None and line.high is not None:
        ends = (drawn_indices(line.x, end, _COLUMNS, log=is_log) for end in (line.low, line.high))
        indices = np.union1d(*ends)
        x, low, high = line.x[indices], line.low[indices], line.high[indices]
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0, zorder=order - 1)
    if line.raw is not None:
        indices = drawn_indices(line.x, line.raw, _COLUMNS, log=is_log)
        axes.plot(line.x[indices], line.raw[indices], color=colour, alpha=0.25, linewidth=1.0, zorder=order - 1)
    indices = drawn_indices(line.x, line.y, _COLUMNS, log=is_log)
    axes.plot(
        line.x[indices],
        line.y[indices],
        label=line.label,
        color=colour,
        linestyle=_linestyle(line),
        linewidth=1.8,
        marker="o",
        markersize=3.5,
        markevery=np.flatnonzero(_needs_marker(line.y[indices])).tolist(),
        zorder=order,
        solid_capstyle="round",
    )


def _colour(line: Line) -> str:
    if line.colour == _GREY:
        return style.OTHERS
    return style.colour_of(line.position if line.colour is None else line.colour)


def _linestyle(line: Line) -> Any:
    if line.same_as is not None:
        return style.COINCIDENT
    return style.style_of(line.position if line.colour is None else line.colour, line.dash)


def _draw_thin_line(axes: Axes, line: Line, colour: str, *, alpha: float, is_log: bool) -> None:
    indices = drawn_indices(line.x, line.y, _COLUMNS, log=is_log)
    axes.plot(line.x[indices], line.y[indices], color=colour, alpha=alpha, linewidth=0.8, zorder=1)


def _mark_non_finite(axes: Axes, lines: Sequence[Line]) -> None:
    broken = [line for line in lines if line.broken]
    for height, line in enumerate(broken[:COLOURED_OF_MANY]):
        y = 0.015 + 0.025 * height
        for first, last in line.broken[:_MAX_BROKEN]:
            axes.plot(
                [first, last],
                [y, y],
                transform=axes.get_xaxis_transform(),
                color=_colour(line),
                linewidth=3,
                marker="x",
                markevery=[0],
                markersize=5,
                markeredgewidth=1.4,
                solid_capstyle="butt",
                zorder=4,
            )


def _legend(
    figure: Figure, first_axes: Axes, panels: Sequence[Panel], entries: dict[str, Line], position: Legend
) -> None:
    """Draw the legend. Its heading explains the numbers in the labels."""
    from matplotlib.lines import Line2D

    shown = list(entries.items())
    handles = [
        Line2D(
            [],
            [],
            label=style.literal(label),
            color=_colour(line),
            linestyle=_linestyle(line),
            lw=1.8,
        )
        for label, line in (shown if len(shown) <= MAX_COLOURED else shown[:COLOURED_OF_MANY])
    ]
    if hidden := len(shown) - len(handles):
        handles.append(Line2D([], [], label=f"{hidden} others", color=style.OTHERS, lw=0.8))
    heading = panels[0].heading if len(panels) == 1 else None
    if position == "below":
        heading = "\n".join([*_notes(panels), *([heading] if heading else [])])
    locations: dict[Legend, dict[str, Any]] = {
        "beside": {"loc": "outside right upper"},
        "below": {"loc": "outside lower left", "ncols": 2},
        "inside": {"loc": "best"},
    }
    owner = first_axes if position == "inside" else figure
    legend = owner.legend(
        handles=handles,
        **locations[position],
        title=style.literal(heading) if heading else None,
        alignment="left",
        frameon=False,
        labelcolor=style.INK,
        fontsize=9,
        title_fontsize=9,
        handlelength=2.6,
    )
    legend.get_title().set_color(style.FAINT)


def _needs_marker(values: np.ndarray) -> np.ndarray:
    """Return a mask of the points that get a marker. In long curves, these are only single points between gaps."""
    finite = ~np.isnan(values)
    if len(values) <= _MAX_MARKED_POINTS:
        return finite
    padded = np.pad(finite, 1)
    return finite & ~padded[:-2] & ~padded[2:]
