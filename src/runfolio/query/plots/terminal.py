"""Plots as text for a terminal: curves and points with plotext, histograms as blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import MissingExtra
from runfolio.query.plots.axis_thinning import drawn_indices
from runfolio.query.plots.curve_panels import Line, Panel
from runfolio.query.plots.histograms import Distribution, common_edges, on_common_edges
from runfolio.query.plots.overlay import kind_of
from runfolio.query.plots.relations import Axis, Scatter
from runfolio.query.plots.style import COLOURS, short
from runfolio.record.base.visible_text import visible_line

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_RGB = tuple((int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)) for code in COLOURS[:6])
"""Colours of runs that are visible on both dark and light backgrounds."""
_GREY = (128, 128, 128)
_LARGEST = 1e300
"""Maximum absolute value that is drawn. Differences between larger numbers would overflow."""
_SHADES = " ░▒▓█"
_DOTS = 2
"""Number of dot columns in a Braille character."""
_TICK_COLUMNS, _TICK_ROWS = 14, 3
"""Minimum distance between ticks on the x and y axes, in characters."""


@dataclass(frozen=True)
class Screen:
    """Size and colours of the terminal."""

    width: int
    height: int
    """Height of one panel in lines."""
    colour: bool
    """True if curves are distinguished by colours, False if they are distinguished by letters."""


@dataclass(frozen=True)
class _Mark:
    """Symbol and colour of a curve or of a group of points."""

    symbol: str
    rgb: tuple[int, int, int]


def curves_text(
    panels: Sequence[Panel],
    screen: Screen,
    *,
    log: str = "",
    title: str | None = None,
    y_range: tuple[float, float] | None = None,
    has_legend: bool = True,
) -> str:
    """Draw panels below each other, with a legend that lists the best curves first.

    Panels that show the same kind of metric have the same y range.

    Args:
        panels: Panels to draw.
        screen: Size and colours of the terminal.
        log: Axes with a logarithmic scale: `x`, `y` or `xy`.
        title: Title, printed as the first line.
        y_range: Lower and upper limits of the y axis in all panels. Default: limits that fit the curves.
        has_legend: Include the legend and the notes.

    Raises:
        MissingExtra: plotext is not installed.
    """
    texts = [visible_line(title)] if title else []
    panels = [_visible(panel) for panel in panels]
    lines = {line.position: line for panel in reversed(panels) for line in panel.lines}
    marks = {position: _mark(number, screen) for number, position in enumerate(sorted(lines))}
    for panel in panels:
        same_kind = [other for other in panels if kind_of(other.metric) == kind_of(panel.metric)]
        shown = np.concatenate([line.y for other in same_kind for line in other.lines] or [np.empty(0)])
        texts.append(_panel_text(panel, marks, screen, log, np.array(y_range) if y_range else shown))
    if not has_legend:
        return "\n".join(texts)
    heading = panels[0].heading if len(panels) == 1 else None
    texts += [f"  {visible_line(heading)}"] if heading else []
    few = sorted(lines)[: len(_LETTERS)]
    texts += [_legend_line(lines[position], marks[position], screen, best=heading is not None) for position in few]
    if hidden := len(lines) - len(few):
        texts.append(f"· {hidden} others")
    texts += dict.fromkeys(visible_line(note) for panel in panels for note in panel.notes)
    return "\n".join(texts)


def scatter_text(shown: Scatter, screen: Screen, *, title: str | None = None) -> str:
    """Draw each run as a point, with one letter or colour per category.

    Raises:
        MissingExtra: plotext is not installed.
    """
    canvas = _Canvas(screen, shown.x.name, shown.y.name)
    canvas.x_axis(shown.x.shown, _axis_ticks(shown.x, screen.width // _TICK_COLUMNS))
    canvas.y_axis(shown.y.shown, _axis_ticks(shown.y, screen.height // _TICK_ROWS))
    legend: list[str] = []
    for number, (name, in_group) in enumerate(_colour_groups(shown)):
        mark = _mark(number, screen, line=False) if shown.colour else _Mark("●", _RGB[0])
        canvas.points(shown.x.shown[in_group], shown.y.shown[in_group], mark)
        if shown.colour:
            legend.append(f"{_painted(mark, screen)} {visible_line(name)}")
    for index, count in _coincident_points(shown, screen):
        mark = _Mark(str(count) if count < 10 else "+", _GREY)
        canvas.points(shown.x.shown[index : index + 1], shown.y.shown[index : index + 1], mark)
    return "\n".join([*([visible_line(title)] if title else []), canvas.text(), *legend])


def _coincident_points(shown: Scatter, screen: Screen) -> list[tuple[int, int]]:
    """Return the first point and the number of points for each character cell that contains several points."""
    cells: dict[tuple[int, int], list[int]] = {}
    spans = [(values, *_ends(values)) for values in (shown.x.shown, shown.y.shown)]
    (xs, left, right), (ys, bottom, top) = spans
    for index in np.flatnonzero(np.isfinite(xs) & np.isfinite(ys)).tolist():
        column = int((xs[index] - left) / (right - left) * screen.width)
        row = int((ys[index] - bottom) / (top - bottom) * screen.height)
        cells.setdefault((column, row), []).append(index)
    return [(indices[0], len(indices)) for indices in cells.values() if len(indices) > 1]


def _colour_groups(shown: Scatter) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return the meaning of each colour and a mask of its points. Many different numbers are put into three groups."""
    colour = shown.colour
    if colour is None:
        return [("", np.ones(len(shown.labels), bool))]
    if colour.categories is not None:
        names = list(enumerate(colour.categories))
        groups = [(f"{colour.name}={name}", colour.positions == position) for position, name in names]
    elif len(different := np.unique(colour.positions[~np.isnan(colour.positions)])) <= len(_RGB):
        groups = [(f"{colour.name}={value:g}", colour.positions == value) for value in different]
    else:
        thirds = np.array_split(different, 3)
        groups = [
            (f"{colour.name} {third[0]:.4g} to {third[-1]:.4g}", np.isin(colour.positions, third)) for third in thirds
        ]
    none = np.isnan(colour.positions)
    return [*groups, (f"no {colour.name}", none)] if none.any() else groups


def heatmap_text(shown: Distribution, screen: Screen, *, title: str | None = None) -> str:
    """Draw a heatmap: steps from left to right, values from bottom to top. Higher counts are darker (log scale)."""
    rows = max(4, screen.height - 3)
    edges = common_edges(shown, rows)
    marks = {row: _brief(float(edges[row])) for row in sorted({0, rows // 2, rows - 1})}
    margin = max(map(len, marks.values())) + 1
    columns = max(8, screen.width - margin - 1)
    counts = on_common_edges(shown, edges)
    owners = np.array_split(np.arange(len(counts)), columns) if len(counts) > columns else None
    if owners is not None:
        counts = np.stack([counts[owner].mean(axis=0) for owner in owners])
    else:
        counts = counts[np.arange(columns) * len(counts) // columns]
    heat = np.log1p(counts / max(counts[counts > 0].min(initial=np.inf), 1e-9)) if counts.any() else counts
    heat = heat / (heat.max() or 1.0)
    levels = np.ceil(heat * (len(_SHADES) - 1)).astype(int)
    lines = [
        f"{marks.get(row, ''):>{margin}}{'┤' if row in marks else '│'}"
        + "".join(_SHADES[level] for level in levels[:, row])
        for row in reversed(range(rows))
    ]
    first, last = f"{shown.steps[0]:,}", f"{shown.steps[-1]:,}"
    lines.append(" " * margin + "└" + "─" * columns)
    lines.append(" " * (margin + 1) + first + f"{'step':^{max(6, columns - len(first) - len(last))}}" + last)
    heading = title or f"{shown.name} of {shown.run}"
    return "\n".join([visible_line(heading), *lines, *map(visible_line, shown.notes)])


def _visible(panel: Panel) -> Panel:
    """Return a panel without the points outside its range of x. A terminal cannot clip these points."""
    if panel.x_range is None:
        return panel
    low, high = panel.x_range
    lines = [
        replace(line, x=line.x[inside], y=line.y[inside])
        for line in panel.lines
        for inside in [(line.x >= low) & (line.x <= high)]
    ]
    return replace(panel, lines=lines)


def _panel_text(panel: Panel, marks: dict[int, _Mark], screen: Screen, log: str, shown: NDArray[np.float64]) -> str:
    """Return one panel as text.

    Args:
        shown: Values that determine the y range. Points outside this range are not drawn.
    """
    canvas = _Canvas(screen, panel.x_label, panel.metric)
    curves = [(line, *_on_axes(line, log, screen.width)) for line in panel.lines]
    xs = np.concatenate([_x_range(panel, log), *(x for _, x, _ in curves)])
    ys = _on_axis(shown, "y" in log)
    canvas.x_axis(xs, _ticks(xs, screen.width // _TICK_COLUMNS, log="x" in log))
    canvas.y_axis(ys, _ticks(ys, screen.height // _TICK_ROWS, log="y" in log))
    for line, x, y in reversed(curves):  # the best curve is drawn last, on top
        low, high = _ends(ys)
        canvas.curve(x, np.where((y >= low) & (y <= high), y, np.nan), marks[line.position])
        canvas.bottom_marks(line.broken, marks[line.position])
    return canvas.text()


def _x_range(panel: Panel, log: str) -> NDArray[np.float64]:
    """Return the ends of a panel's range of x. Ends that the axis cannot show are left out."""
    ends = np.array(panel.x_range or (), float)
    return np.log10(ends[ends > 0]) if "x" in log else ends


def _on_axes(line: Line, log: str, columns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    indices = drawn_indices(line.x, line.y, _DOTS * columns, log="x" in log)
    x, y = line.x[indices], line.y[indices]
    return np.log10(x) if "x" in log else x, _on_axis(y, "y" in log)


def _on_axis(y: NDArray[np.float64], log: bool) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(y) if log else np.clip(y, -_LARGEST, _LARGEST)


class _Canvas:
    """Plot that is drawn with plotext's global figure, which is cleared first."""

    def __init__(self, screen: Screen, x_label: str, y_label: str) -> None:
        try:
            import plotext
        except ImportError:
            raise MissingExtra("plotext", "plot", "drawing in a terminal") from None
        self._plotext: Any = plotext
        self._screen = screen
        self._heading = visible_line(y_label)
        self._lowest = 0.0
        self._figure: Any = plotext.figure
        self._figure.clear()
        self._figure.theme("colorless")
        self._figure.plot_size(screen.width, screen.height)
        self._figure.label(visible_line(x_label))

    def x_axis(self, values: NDArray[np.float64], ticks: Sequence[tuple[float, str]]) -> None:
        self._axis("x", values, ticks)

    def y_axis(self, values: NDArray[np.float64], ticks: Sequence[tuple[float, str]]) -> None:
        self._axis("y", values, ticks)

    def curve(self, x: NDArray[np.float64], y: NDArray[np.float64], mark: _Mark) -> None:
        """Draw lines between points. Values that are not finite leave gaps."""
        finite = np.pad(np.isfinite(x) & np.isfinite(y), 1)
        edges = np.flatnonzero(finite[1:] != finite[:-1])
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            self._draw(x[start:stop], y[start:stop], mark, lines=stop - start > 1)

    def points(self, x: NDArray[np.float64], y: NDArray[np.float64], mark: _Mark) -> None:
        finite = np.isfinite(x) & np.isfinite(y)
        if finite.any():
            self._draw(x[finite], y[finite], mark, lines=False)

    def bottom_marks(self, ranges: Sequence[tuple[float, float]], mark: _Mark) -> None:
        """Mark ranges of x at the bottom of the plot."""
        for first, last in ranges:
            x = np.linspace(first, last, self._screen.width)
            self._draw(x, np.full(len(x), self._lowest), _Mark("!", mark.rgb), lines=False)

    def text(self) -> str:
        drawn = self._figure.build().string(colorless=not self._screen.colour)
        return "\n".join([self._heading, *(line.rstrip() for line in drawn.rstrip("\n").split("\n"))])

    def _draw(self, x: NDArray[np.float64], y: NDArray[np.float64], mark: _Mark, *, lines: bool) -> None:
        marker = self._plotext.marker(mark.symbol, mark.rgb) if self._screen.colour else mark.symbol
        signal = self._figure.signal(x.tolist(), y.tolist(), marker=marker)
        if lines:
            signal.lines()
        self._figure.draw(signal)

    def _axis(self, name: Literal["x", "y"], values: NDArray[np.float64], ticks: Sequence[tuple[float, str]]) -> None:
        low, high = _ends(values)
        if name == "y":
            self._lowest = low
        ruler = self._figure.ruler(name)
        ruler.lim(low, high)
        inside = [(at, text) for at, text in ticks if low <= at <= high]
        ruler.ticks([at for at, _ in inside], [text for _, text in inside])


def _mark(number: int, screen: Screen, *, line: bool = True) -> _Mark:
    """Return the mark for the curve or group with a given number. Colours are used before letters."""
    if number >= len(_LETTERS):
        return _Mark("·", _GREY)
    default = "braille" if line else "●"
    symbol = default if screen.colour and number < len(_RGB) else _LETTERS[number]
    return _Mark(symbol, _RGB[number % len(_RGB)])


def _legend_line(line: Line, mark: _Mark, screen: Screen, *, best: bool) -> str:
    figure = ""
    if best:
        figure = f"{line.best:#.4g}  " if line.best is not None and math.isfinite(line.best) else "(no number)  "
    label = line.label if line.same_as is None else f"{line.label} = {line.same_as}"
    return f"{_painted(mark, screen)} {figure}{short(visible_line(label), screen.width - len(figure) - 3)}"


def _painted(mark: _Mark, screen: Screen) -> str:
    symbol = "━━" if mark.symbol == "braille" else mark.symbol
    red, green, blue = mark.rgb
    return f"\x1b[38;2;{red};{green};{blue}m{symbol}\x1b[0m" if screen.colour else symbol


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    margin = (high - low) * 0.02 or abs(low) * 0.1 or 0.5
    return low - margin, high + margin


def _axis_ticks(axis: Axis, most: int) -> list[tuple[float, str]]:
    if axis.categories is not None:
        return [(float(position), visible_line(name)[:_TICK_COLUMNS]) for position, name in enumerate(axis.categories)]
    return _ticks(axis.shown, most, log=axis.log)


def _ticks(values: NDArray[np.float64], most: int, *, log: bool) -> list[tuple[float, str]]:
    """Return ticks at round numbers within the range of the values.

    Args:
        most: Approximate maximum number of ticks.
        log: True if the values are base-10 logarithms.
    """
    low, high = _ends(values)
    distance = _round_up((high - low) / max(1, most))
    if log:
        distance = math.ceil(distance)
    positions = [number * distance for number in range(math.ceil(low / distance), math.floor(high / distance) + 1)]
    if log and not positions:
        return [(at, f"{10**at:.2g}") for at in (low, high)]
    return [(at, _brief(10.0**at if log else at)) for at in positions if not log or abs(at) <= 308]


def _round_up(distance: float) -> float:
    """Round a distance up to 1, 2 or 5 times a power of 10."""
    power = 10.0 ** math.floor(math.log10(distance))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= distance * (1 - 1e-9))


def _brief(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 and value == int(value) and abs(value) < 1e7 else f"{value:.4g}"
