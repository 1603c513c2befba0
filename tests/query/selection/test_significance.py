import math

import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from runfolio.query.selection.significance import (
    holm,
    holm_shares,
    mcnemar_p,
    mean_interval,
    means_p,
    paired_means_p,
    shares_p,
    t_95,
    wilson,
)


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_equals_published_values(right: int, count: int, low: float, high: float):
    """Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3."""
    assert wilson(right / count, count) == pytest.approx((low, high), abs=5e-5)


def test_perfect_score_has_an_interval():
    assert wilson(1.0, 360) == (pytest.approx(0.9894, abs=1e-4), 1.0)


@pytest.mark.parametrize(("share", "count"), [(1.2, 10), (-0.1, 10), (0.5, 0), (float("nan"), 10)])
def test_invalid_share_has_no_interval(share: float, count: int):
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
def test_significance_of_two_shares_equals_published_results(
    first: tuple[int, int], second: tuple[int, int], apart: bool
):
    """Newcombe, Statistics in Medicine 17 (1998), 873-890, table II, method 10: the interval excludes 0."""
    (a, n), (b, m) = first, second
    p = shares_p(a / n, n, b / m, m)
    assert (p < 0.05) is apart
    assert shares_p(b / m, m, a / n, n) == p


def test_equal_shares_have_a_p_value_of_1():
    assert shares_p(0.9, 100, 0.9, 50) == 1.0


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_p_equals_the_binomial_test_of_scipy(first: int, second: int):
    assume(first + second)
    theirs = scipy.stats.binomtest(first, first + second).pvalue
    assert mcnemar_p(first, second) == pytest.approx(theirs, rel=1e-9)


def test_equal_predictions_have_a_p_value_of_1():
    assert mcnemar_p(0, 0) == 1.0


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_rejects_at_least_bonferroni_and_at_most_single_tests(ps: list[float]):
    significant = holm(ps)
    assert all(p < 0.05 for p, is_told in zip(ps, significant, strict=True) if is_told)
    assert all(is_told for p, is_told in zip(ps, significant, strict=True) if p < 0.05 / len(ps))


shares = st.tuples(st.integers(0, 200), st.integers(200, 5_000)).map(lambda counts: (counts[0] / 200, counts[1]))


@given(shares, st.lists(shares, max_size=8))
def test_holm_for_proportions_equals_holm_for_their_p_values(first: tuple[float, int], others: list[tuple[float, int]]):
    assert holm_shares(first, others) == holm([shares_p(*first, *other) for other in others])


def test_holm_thresholds_rise_with_every_rejection():
    assert holm([0.01, 0.04, 0.02]) == [True, True, True]  # below 0.05 / 3, 0.05 / 2 and 0.05
    assert holm([0.02, 0.04, 0.03]) == [False, False, False]


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (30, 2.042), (120, 1.980)]
)
def test_t_quantile_equals_published_tables(freedom: int, quantile: float):
    assert t_95(freedom) == pytest.approx(quantile, abs=5e-4)


@given(st.floats(1, 1e4))
def test_quantile_equals_scipy_for_fractional_degrees_of_freedom(freedom: float):
    assert t_95(freedom) == pytest.approx(scipy.stats.t.ppf(0.975, freedom), rel=1e-9)


@pytest.mark.parametrize("freedom", [0, 0.99, math.inf, math.nan])
def test_invalid_degrees_of_freedom_have_no_quantile(freedom: float):
    with pytest.raises(ValueError, match="no quantile"):
        t_95(freedom)


MEASURED = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20).filter(lambda got: max(got) - min(got) > 1e-3)


@given(MEASURED)
def test_interval_of_a_mean_equals_scipy(values: list[float]):
    theirs = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_interval(values) == pytest.approx((theirs.low, theirs.high), rel=1e-6, abs=1e-6)


@given(MEASURED, MEASURED)
def test_p_of_two_means_equals_the_welch_test_of_scipy(first: list[float], second: list[float]):
    p = scipy.stats.ttest_ind(first, second, equal_var=False).pvalue  # type: ignore[attr-defined] - the stubs lack it
    assert means_p(first, second) == pytest.approx(p, rel=1e-6, abs=1e-12)


def test_single_value_has_no_interval():
    assert mean_interval([0.9]) is None
    assert means_p([0.9], [0.1, 0.1, 0.1]) == 1.0
    assert means_p([0.5, 0.5], [0.5, 0.5]) == 1.0


def test_values_without_spread_are_as_likely_as_their_division():
    assert means_p([0.5, 0.5], [0.6, 0.6]) == pytest.approx(2 / 6)
    assert means_p([0.1 + 0.2, 0.3], [0.6, 0.6]) == pytest.approx(2 / 6)  # two spellings of 0.3
    assert means_p([0.5] * 5, [0.6] * 5) == pytest.approx(2 / 252)
    permuted = scipy.stats.permutation_test(
        ([0.5] * 3, [0.6] * 3), lambda a, b, axis: a.mean(axis) - b.mean(axis), vectorized=True
    )
    assert means_p([0.5] * 3, [0.6] * 3) == pytest.approx(permuted.pvalue)


@pytest.mark.parametrize("pairs", [2, 5])
def test_equal_differences_are_compared_without_their_pairs(pairs: int):
    first, second = ([start + 0.01 * seed for seed in range(pairs)] for start in (0.9, 0.5))

    assert paired_means_p(first, second) == means_p(first, second) < 0.001
    assert paired_means_p([0.7, 0.8], [0.6, 0.7]) == means_p([0.7, 0.8], [0.6, 0.7])  # 0.1 up to rounding
    assert paired_means_p([0.5, 0.5], [0.6, 0.6]) == pytest.approx(2 / 6)  # no spread at all


def test_paired_means_are_compared_by_their_differences():
    first, second = [2.1, 3.0, 4.2], [2.0, 2.8, 4.1]

    assert paired_means_p(first, second) == pytest.approx(scipy.stats.ttest_rel(first, second).pvalue)
    assert paired_means_p(first, second) < 0.1 < means_p(first, second)
    assert (paired_means_p([1.0], [2.0]), paired_means_p([1, 2], [1, 2])) == (1, 1)
