import math

import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from runfolio.query.stats import mean_interval, means_told_apart, t_95, told_apart, wilson


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_the_published_one(right: int, count: int, low: float, high: float):
    """Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3."""
    assert wilson(right / count, count) == pytest.approx((low, high), abs=5e-5)


def test_a_perfect_score_is_not_certain():
    assert wilson(1.0, 360) == (pytest.approx(0.9894, abs=1e-4), 1.0)


@pytest.mark.parametrize(("share", "count"), [(1.2, 10), (-0.1, 10), (0.5, 0), (float("nan"), 10)])
def test_what_is_no_share_has_no_interval(share: float, count: int):
    with pytest.raises(ValueError, match="no interval"):
        wilson(share, count)


@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [
        ((56, 70), (48, 80), True),  # 0.0524 to 0.3339
        ((9, 10), (3, 10), True),  # 0.1705 to 0.8090
        ((5, 56), (0, 29), False),  # -0.0381 to 0.1926
    ],
)
def test_two_shares_are_told_apart_as_published(first: tuple[int, int], second: tuple[int, int], apart: bool):
    """Newcombe, Statistics in Medicine 17 (1998), 873-890, table II, method 10: the interval leaves out 0."""
    (a, n), (b, m) = first, second
    assert told_apart(a / n, n, b / m, m) is apart
    assert told_apart(b / m, m, a / n, n) is apart


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (30, 2.042), (120, 1.980)]
)
def test_the_quantile_is_that_of_every_table(freedom: int, quantile: float):
    assert t_95(freedom) == pytest.approx(quantile, abs=5e-4)


@given(st.floats(1, 1e4))
def test_the_quantile_is_scipys_for_degrees_of_freedom_that_are_not_whole_too(freedom: float):
    assert t_95(freedom) == pytest.approx(scipy.stats.t.ppf(0.975, freedom), rel=1e-9)


@pytest.mark.parametrize("freedom", [0, 0.99, math.inf, math.nan])
def test_what_are_no_degrees_of_freedom_have_no_quantile(freedom: float):
    with pytest.raises(ValueError, match="no quantile"):
        t_95(freedom)


MEASURED = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20).filter(lambda got: max(got) - min(got) > 1e-3)


@given(MEASURED)
def test_the_interval_of_a_mean_is_scipys(values: list[float]):
    theirs = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_interval(values) == pytest.approx((theirs.low, theirs.high), rel=1e-6, abs=1e-6)


@given(MEASURED, MEASURED)
def test_two_means_are_told_apart_where_scipys_test_of_welch_tells_them_apart(first: list[float], second: list[float]):
    p = scipy.stats.ttest_ind(first, second, equal_var=False).pvalue  # type: ignore[attr-defined] - the stubs lack it
    assume(abs(p - 0.05) > 1e-6)
    assert means_told_apart(first, second) is bool(p < 0.05)


def test_one_value_says_nothing_of_its_spread():
    assert mean_interval([0.9]) is None
    assert not means_told_apart([0.9], [0.1, 0.1, 0.1])
    assert not means_told_apart([0.5, 0.5], [0.5, 0.5])
    assert means_told_apart([0.5, 0.5], [0.6, 0.6])
