"""Lines of a panel: smoothing over all points, the visible range, pixel columns, gaps and means."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfolio.board.branches import BranchCurve
from runfolio.board.curve_lines import CurveLine, View, XRange, branch_line, mean_line
from runfolio.query.plots.smoothing import exponential_smoothing

VALUES = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan) | st.just(math.inf), min_size=1, max_size=300)


def curve(y, x=None, **fields: Any) -> BranchCurve:
    values = np.asarray(y, float)
    positions = np.arange(len(values), dtype=float) if x is None else np.asarray(x, float)
    start: dict[str, Any] = {"attempt": 1, "is_abandoned": False, "shared": 0}
    return BranchCurve(**start | fields, x=positions, y=values)


def line(branch: BranchCurve, *, raw: bool = False, whole: bool = True, columns: int = 1000, **view: Any) -> CurveLine:
    options = View(columns=columns, **view)
    return branch_line(branch, options, XRange.of([branch], options), is_raw_drawn=raw, is_whole=whole)


def mean(*curves: BranchCurve, columns: int = 1000, **view: Any) -> Any:
    options = View(columns=columns, **view)
    return mean_line([(curve, options) for curve in curves], XRange.of(curves, options), "minmax")


@given(values=VALUES, columns=st.integers(50, 60), ends=st.tuples(st.integers(0, 300), st.integers(0, 300)))
def test_extremes_of_each_pixel_column_are_kept(values, columns, ends):
    low, high = sorted(ends)
    shown = line(curve(values), columns=columns, low=low, high=high)
    finite = np.where(np.isfinite(values), values, np.nan)
    width = (high - low) / columns or 1
    for column in range(columns):
        x = np.arange(len(values))
        inside = (x >= low) & (x <= high) & (np.minimum((x - low) // width, columns - 1) == column)
        numbers = finite[inside & np.isfinite(finite)]
        if len(numbers):
            drawn = shown.y[np.isin(shown.x, x[inside])]
            assert np.nanmin(drawn) == numbers.min()
            assert np.nanmax(drawn) == numbers.max()


@given(values=VALUES, smooth=st.floats(0.1, 0.99), start=st.integers(0, 250))
def test_zoom_does_not_change_smoothed_values(values, smooth, start):
    shown = line(curve(values), smooth=smooth, low=start, high=start + 50, columns=50)
    everywhere = exponential_smoothing(np.asarray(values), smooth)

    for x, y in zip(shown.x.astype(int), shown.y, strict=True):
        assert y == everywhere[x] if math.isfinite(values[x]) else math.isnan(y)


def test_line_reaches_both_edges_of_the_range():
    shown = line(curve(range(100)), low=10.5, high=12.5)

    assert shown.x.tolist() == [10, 11, 12, 13]
    assert (shown.shown, shown.total) == (2, 100)


def test_range_between_two_points_shows_the_line_between_them():
    assert line(curve([0.0, 1.0], x=[0, 100]), low=40, high=60).x.tolist() == [0, 100]


def test_all_points_are_shown_if_they_fit():
    shown = line(curve(range(200)), columns=50)

    assert shown.shown == shown.total == 200


def test_nan_and_infinity_are_gaps_with_marks():
    shown = line(curve([1, math.nan, math.inf, 2, math.nan]))

    assert np.isnan(shown.y).tolist() == [False, True, True, False, True]
    assert shown.broken == [(1.0, 2.0), (4.0, 4.0)]


def test_marks_closer_than_a_pixel_are_merged():
    values = np.ones(10_000)
    values[1::2] = math.nan

    assert len(line(curve(values), columns=100).broken) == 1
    assert len(line(curve(values), columns=100, low=0, high=20).broken) == 10


def test_raw_values_are_kept_beside_smoothed_values():
    values = np.zeros(1000)
    values[500] = 1.0
    shown = line(curve(values), smooth=0.9, raw=True, columns=50)

    assert shown.raw is not None
    assert shown.raw.max() == 1.0
    assert len(shown.raw) == len(shown.x)
    assert shown.is_raw_drawn


def test_raw_values_of_a_crowded_panel_are_those_at_the_shown_points():
    values = np.zeros(1000)
    values[500] = 1.0
    shown = line(curve(values), smooth=0.9, columns=50)

    assert not shown.is_raw_drawn
    np.testing.assert_array_equal(shown.raw, values[shown.x.astype(int)])


def test_log_axes_leave_out_what_they_cannot_show():
    shown = line(curve([1.0, -1.0, 0.0, 2.0, 3.0]), log="xy")

    assert shown.x.tolist() == [1, 2, 3, 4]
    assert np.isnan(shown.y).tolist() == [True, True, False, False]
    assert shown.off_axis == 3


def test_log_x_keeps_the_first_decades():
    shown = line(curve(np.sin(np.arange(1_000_000))), log="x", columns=600)

    assert np.isin(np.arange(1, 100), shown.x).all()
    assert len(shown.x) <= 4 * 600 + 1


def test_abandoned_branch_starts_at_the_last_shared_point():
    branch = curve(range(10), is_abandoned=True, shared=6)

    assert line(branch, whole=False).x.tolist() == [5, 6, 7, 8, 9]
    assert line(branch, whole=False, smooth=0.5).y[0] == exponential_smoothing(np.arange(10.0), 0.5)[5]


def test_mean_of_runs_with_the_same_steps_is_exact():
    shown = mean(curve([1, 2, 3]), curve([3, 4]))

    assert shown.x.tolist() == [0, 1, 2]
    assert shown.y.tolist() == [2, 3, 3]
    assert shown.count.tolist() == [2, 2, 1]
    assert (shown.low.tolist(), shown.high.tolist()) == ([1, 2, 3], [3, 4, 3])
    assert shown.total == shown.shown == 5


def test_band_of_a_group_contains_a_spike_of_one_point():
    spiky = np.zeros(10_000)
    spiky[777] = 5.0
    shown = mean(curve(spiky), curve(np.zeros(10_000)), columns=100)

    assert shown.high.max() == 5.0
    assert len(shown.x) <= 100
    assert shown.y[7] == pytest.approx(5.0 / 100 / 2)


def test_runs_that_logged_at_different_steps_are_interpolated():
    shown = mean(curve([0, 10], x=[0, 10]), curve(range(11)))

    assert shown.is_interpolated
    np.testing.assert_allclose(shown.y, np.arange(11))
    assert (shown.count == 2).all()


def test_zoomed_mean_uses_the_points_outside_of_the_range():
    shown = mean(curve([0, 100], x=[0, 100]), curve(range(101)), low=40, high=60)

    assert shown.x[0] <= 40
    assert shown.x[-1] >= 60
    np.testing.assert_allclose(shown.y, shown.x)


@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=4), columns=st.integers(50, 400))
def test_mean_of_columns_lies_within_its_band(lengths, columns):
    chance = np.random.default_rng(sum(lengths))
    shown = mean(*(curve(chance.normal(size=length * 20)) for length in lengths), columns=columns)

    assert (shown.low <= shown.y + 1e-12).all()
    assert (shown.y <= shown.high + 1e-12).all()
    assert (np.diff(shown.x) > 0).all()
