"""Conversion of curves to the lines of a panel, which is a chart.

A curve is smoothed over all its points, cut to the visible range, and thinned. Thinning keeps a few points in each
pixel column, which is a strip of the chart that is one pixel wide. The position of a point is its value on the x axis.
The module `branches` explains branches and attempts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runfolio.board.branches import BranchCurve
from runfolio.query.histories.mean_curve import Spread, mean
from runfolio.query.plots.smoothing import exponential_smoothing
from runfolio.query.thinning import pixel_columns, thinned_indices

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class View:
    """Options for the lines of one answer."""

    columns: int
    """Number of pixel columns."""
    low: float | None = None
    """Left end of the x axis, or None for the first point of all curves."""
    high: float | None = None
    """Right end of the x axis, or None for the last point of all curves."""
    log: str = ""
    """Axes with a logarithmic scale: `x`, `y` or `xy`."""
    smooth: float = 0.0
    """Smoothing weight, at least 0 and below 1."""


@dataclass(frozen=True, kw_only=True)
class XRange:
    """Visible range of the x axis, including both ends."""

    low: float
    high: float
    columns: int
    is_log: bool

    @classmethod
    def of(cls, curves: Sequence[BranchCurve], view: View) -> XRange:
        """Return the visible range that all curves of a panel share."""
        is_log = "x" in view.log
        positions = [x for curve in curves if len(x := curve.x[curve.x > 0] if is_log else curve.x)]
        first = min((float(x[0]) for x in positions), default=1.0)
        last = max((float(x[-1]) for x in positions), default=1.0)
        low = first if view.low is None or (is_log and view.low <= 0) else view.low
        return cls(
            low=low, high=max(low, last if view.high is None else view.high), columns=view.columns, is_log=is_log
        )

    @property
    def span(self) -> tuple[float, float]:
        """Both ends of the range, as logarithms if the axis is logarithmic."""
        low, high = self.scaled(np.array([self.low, self.high])).tolist()
        return low, high

    def scaled(self, x: Floats) -> Floats:
        """Return the positions, as logarithms if the axis is logarithmic."""
        return np.log10(x) if self.is_log else x

    def inside(self, x: Floats) -> slice:
        """Return the slice of `x` that is visible."""
        return slice(int(np.searchsorted(x, self.low, "left")), int(np.searchsorted(x, self.high, "right")))

    def around(self, x: Floats) -> slice:
        """Return the slice of `x` that is visible, extended by one point on each side."""
        inside = self.inside(x)
        return slice(max(0, inside.start - 1), min(len(x), inside.stop + 1))


@dataclass(frozen=True, eq=False, kw_only=True)
class CurveLine:
    """Line of a panel. All arrays have the shape [n], `x` is ascending, and NaN marks a gap.

    A line reaches both edges of the panel, since it includes the nearest point on each side of the visible range.
    """

    x: Floats
    y: Floats
    raw: Floats | None = None
    """Values before smoothing."""
    is_raw_drawn: bool = False
    """True if the panel draws the values before smoothing as a pale line."""
    low: Floats | None = None
    """Lower end of the band around the mean of a group."""
    high: Floats | None = None
    count: Floats | None = None
    """Number of runs that contribute to each point of the mean of a group."""
    total: int
    """Number of points of the curve, or of all curves of a group."""
    within: int
    """Number of points in the visible range, before thinning."""
    shown: int
    """Number of points in the visible range that the line shows. The mean line of a group shows all points."""
    broken: Sequence[tuple[float, float]] = ()
    """First and last x of each visible range in which all values are NaN or infinite."""
    resumes: Sequence[float] = ()
    """Value on the x axis of the last point before each time that the run resumed."""
    lost: int = 0
    """Number of points without an x value."""
    left_out: int = 0
    """Number of points that thinning left out when a long curve was read."""
    off_axis: int = 0
    """Number of points at 0 or below, which a log axis cannot show."""
    is_interpolated: bool = False
    """True if a curve of the group was interpolated between its points."""


def branch_line(curve: BranchCurve, view: View, visible: XRange, *, is_raw_drawn: bool, is_whole: bool) -> CurveLine:
    """Return the line of one branch of a run.

    Args:
        curve: Points of the branch.
        view: Options for the line.
        visible: Visible range of the x axis.
        is_raw_drawn: Thin the line so that the values before smoothing can be drawn too.
        is_whole: Include the points that the curve shares with another curve. If False, the line starts at the last
            shared point.
    """
    start = 0 if is_whole else max(0, curve.shared - 1)
    is_finite = np.isfinite(curve.y[start:])
    smoothed = exponential_smoothing(curve.y, view.smooth) if view.smooth else curve.y
    x, off_axis = curve.x[start:], _off_axis(curve.x[start:], curve.y[start:], view.log)
    is_shown = is_finite & ~off_axis
    y, raw = (
        values[start:] if is_shown.all() else np.where(is_shown, values[start:], np.nan)
        for values in (smoothed, curve.y)
    )
    draws_raw = is_raw_drawn and view.smooth > 0
    first = int(np.searchsorted(x, 0, "right")) if visible.is_log else 0
    kept = first + _visible_indices(x[first:], [y[first:], raw[first:]] if draws_raw else [y[first:]], visible)
    inside = visible.inside(x[kept])
    return CurveLine(
        x=x[kept],
        y=y[kept],
        raw=raw[kept] if view.smooth else None,
        is_raw_drawn=draws_raw,
        total=len(x) + curve.left_out,
        within=_count(visible.inside(x)),
        shown=_count(inside),
        broken=_broken_ranges(x[first:], ~is_finite[first:], visible),
        resumes=[position for position in curve.resumes if not start or position > x[0]],
        lost=curve.lost,
        left_out=curve.left_out,
        off_axis=int(np.count_nonzero(off_axis)),
    )


def mean_line(curves: Sequence[tuple[BranchCurve, View]], visible: XRange, spread: Spread) -> CurveLine:
    """Return the mean line of a group of runs.

    In each pixel column, the smoothed points of each run are averaged first. The line shows the mean of these averages.
    The band `minmax` extends from the lowest to the highest of all smoothed points.

    Args:
        curves: Points of the newest branch of each run, with the options for the line.
        visible: Visible range of the x axis.
        spread: Statistic that the band shows, such as `minmax`.
    """
    curve_columns: list[_ColumnStatistics] = []
    off_axis = 0
    for curve, view in curves:
        is_off = _off_axis(curve.x, curve.y, view.log)
        usable = np.isfinite(curve.y) & ~is_off
        x, y = curve.x[usable], exponential_smoothing(curve.y, view.smooth)[usable]
        around = visible.around(x)
        curve_columns.append(_column_statistics(x[around], y[around], visible))
        off_axis += int(np.count_nonzero(is_off))
    positions = _column_middles(curve_columns, visible)
    average, lowest, highest = (
        mean([(x, getattr(part, name)) for x, part in zip(positions, curve_columns, strict=True)], spread)
        for name in ("means", "lows", "highs")
    )
    around = visible.around(average.x)
    low, high = (lowest.low, highest.high) if spread == "minmax" else (average.low, average.high)
    within = sum(_count(visible.inside(curve.x)) for curve, _ in curves)
    return CurveLine(
        x=average.x[around],
        y=average.y[around],
        low=low[around],
        high=high[around],
        count=average.count[around].astype(np.float64),
        total=sum(len(curve.x) for curve, _ in curves),
        within=within,
        shown=within,
        lost=sum(curve.lost for curve, _ in curves),
        off_axis=off_axis,
        is_interpolated=average.interpolated,
    )


class _ColumnStatistics(NamedTuple):
    """Statistics of one curve, for each pixel column that contains any of its points. All arrays have the same shape.

    One additional column on each side is for points outside the visible range.
    """

    columns: NDArray[np.int64]
    """Index of the pixel column. The index is -1 for points to the left of the visible range. It equals the number of
    visible pixel columns for points to the right of the range."""
    firsts: Floats
    """Value on the x axis of the first point in each column."""
    lasts: Floats
    means: Floats
    lows: Floats
    highs: Floats


def _column_statistics(x: Floats, y: Floats, visible: XRange) -> _ColumnStatistics:
    """Return the statistics of a curve. The curve must have at most one point on each side of the visible range."""
    inside = visible.inside(x)
    columns = np.full(len(x), -1)
    columns[inside] = pixel_columns(visible.scaled(x[inside]), visible.columns, visible.span)
    columns[inside.stop :] = visible.columns
    starts = np.flatnonzero(np.diff(columns, prepend=-2))
    if not len(starts):
        return _ColumnStatistics(columns, x, x, y, y, y)
    stops = np.append(starts[1:], len(x))
    means = np.add.reduceat(y, starts) / (stops - starts)
    lows, highs = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    return _ColumnStatistics(columns[starts], x[starts], x[stops - 1], means, lows, highs)


def _column_middles(curves: Sequence[_ColumnStatistics], visible: XRange) -> list[Floats]:
    """Return, for each curve, the x value of each pixel column that contains points of the curve.

    A visible column has the same x value for all curves: the middle of their points in this column.
    """
    lows, highs = np.full(visible.columns, np.inf), np.full(visible.columns, -np.inf)
    for curve in curves:
        inside = (curve.columns >= 0) & (curve.columns < visible.columns)
        columns = curve.columns[inside]
        lows[columns] = np.minimum(lows[columns], curve.firsts[inside])
        highs[columns] = np.maximum(highs[columns], curve.lasts[inside])
    with np.errstate(invalid="ignore"):  # columns without points result in NaN
        middles = np.where(lows == highs, lows, (lows + highs) / 2)  # avoids rounding if there is only one position
    positions: list[Floats] = []
    for curve in curves:
        inside = (curve.columns >= 0) & (curve.columns < visible.columns)
        positions.append(np.where(inside, middles[np.where(inside, curve.columns, 0)], curve.firsts))
    return positions


def _count(part: slice) -> int:
    return part.stop - part.start


def _off_axis(x: Floats, y: Floats, log: str) -> NDArray[np.bool_]:
    """Return a mask of the points that a log axis cannot show."""
    off = x <= 0 if "x" in log else np.zeros(len(x), bool)
    return off | (y <= 0) if "y" in log else off


def _visible_indices(x: Floats, values: Sequence[Floats], visible: XRange) -> NDArray[np.intp]:
    """Return the indices of the points that are needed to draw all values in the visible range."""
    inside, around = visible.inside(x), visible.around(x)
    scaled = visible.scaled(x[inside])
    thinned = [thinned_indices(scaled, y[inside], visible.columns, visible.span) for y in values]
    kept = thinned[0] if len(thinned) == 1 else np.union1d(*thinned)
    beside = (np.arange(around.start, inside.start), np.arange(inside.stop, around.stop))
    return np.concatenate([beside[0], inside.start + kept, beside[1]])


def _broken_ranges(x: Floats, is_broken: NDArray[np.bool_], visible: XRange) -> list[tuple[float, float]]:
    """Return the visible ranges of `x` in which no value is finite. Ranges less than a pixel apart are merged."""
    if not is_broken.any():
        return []
    edges = np.flatnonzero(np.diff(np.pad(is_broken, 1)))
    firsts, lasts = x[edges[::2]], x[edges[1::2] - 1]
    is_visible = (lasts >= visible.low) & (firsts <= visible.high)
    firsts, lasts = firsts[is_visible], lasts[is_visible]
    left, right = visible.span
    is_apart = visible.scaled(firsts[1:]) - visible.scaled(lasts[:-1]) > (right - left) / visible.columns
    starts = np.append(0, np.flatnonzero(is_apart) + 1)[: len(firsts)]
    stops = np.append(starts[1:], len(firsts))[: len(starts)] - 1
    return list(zip(firsts[starts].tolist(), lasts[stops].tolist(), strict=True))
