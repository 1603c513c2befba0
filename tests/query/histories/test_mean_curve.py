"""The mean of curves is taken at every real position, and equals a slow reference."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfolio.query.histories.mean_curve import mean
from runfolio.query.selection.significance import t_95

Points = list[tuple[int, float]]
points = st.lists(
    st.tuples(st.integers(0, 12), st.one_of(st.floats(-1e6, 1e6), st.just(math.nan))), min_size=1, max_size=12
)


def arrays(curve: Points) -> tuple[np.ndarray, np.ndarray]:
    ordered = sorted(curve, key=lambda point: point[0])
    return np.array([x for x, _ in ordered], float), np.array([y for _, y in ordered])


def value_at(curve: dict[int, float], x: int) -> float | None:
    """Return the value of a curve at x, interpolated linearly; None outside of its points."""
    before, after = [key for key in curve if key <= x], [key for key in curve if key >= x]
    if not before or not after:
        return None
    low, high = max(before), min(after)
    return curve[low] + (curve[high] - curve[low]) * (x - low) / (high - low) if high > low else curve[low]


@given(st.lists(points, min_size=1, max_size=5))
def test_mean_and_interval_equal_a_slow_reference(curves: list[Points]):
    finite = [[(x, y) for x, y in curve if math.isfinite(y)] for curve in curves]
    by_x = [{x: statistics.fmean(y for other, y in curve if other == x) for x, _ in curve} for curve in finite if curve]
    together, interval = (mean([arrays(curve) for curve in curves], spread) for spread in ("minmax", "ci"))

    assert together.x.tolist() == sorted({x for curve in by_x for x in curve})
    for index, x in enumerate(together.x.astype(int).tolist()):
        values = [value for curve in by_x if (value := value_at(curve, x)) is not None]
        logged = [y for curve in finite for other, y in curve if other == x]
        assert together.count[index] == len(values)
        assert together.y[index] == pytest.approx(statistics.fmean(values), abs=1e-6)
        assert together.low[index] == pytest.approx(min(values + logged), abs=1e-6)
        assert together.high[index] == pytest.approx(max(values + logged), abs=1e-6)
        if len(values) > 1:
            half = t_95(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
            assert interval.high[index] - interval.y[index] == pytest.approx(half, abs=1e-3)


def test_a_spike_between_the_steps_of_others_is_kept():
    steps = np.arange(50_000, dtype=float)
    spiky = np.zeros(50_000)
    spiky[31_337] = 1e6
    together = mean([(steps, spiky), (steps[::100], np.zeros(500))], "minmax")

    assert len(together.x) == 50_000
    assert (together.x[together.high.argmax()], together.high.max(), together.y.max()) == (31_337, 1e6, 5e5)


def test_a_run_counts_only_between_its_first_and_last_point():
    long, short = (np.array([0.0, 10.0]), np.array([0.0, 10.0])), (np.array([2.0, 4.0]), np.array([0.0, 0.0]))
    together = mean([long, short], "minmax")

    assert together.x.tolist() == [0.0, 2.0, 4.0, 10.0]
    assert together.count.tolist() == [1, 2, 2, 1]
    assert together.y.tolist() == [0.0, 1.0, 2.0, 10.0]
