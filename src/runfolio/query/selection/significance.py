"""Confidence intervals and significance tests for proportions and means."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from typing import NamedTuple

Z_95 = 1.959963984540054
"""97.5 % quantile of the normal distribution, for two-sided 95 % intervals."""
LEVEL = 0.05
"""Significance level."""

_LARGEST_Z = 40.0
"""Number of standard deviations beyond which p is too small for a float."""
_ROUNDING = 10 * sys.float_info.epsilon
"""Maximum standard error of values that count as constant, relative to the largest value. R's `t.test` uses the same
limit."""
_MAX_TERMS, _TOLERANCE = 1000, 1e-15
"""Maximum number of terms of a continued fraction, and the relative change below which a result has converged."""


class Interval(NamedTuple):
    """Confidence interval."""

    low: float
    high: float


class Moments(NamedTuple):
    """Moments of some values, from which the means of two groups of values can be compared."""

    size: int
    mean: float
    error: float
    """Squared standard error of the mean."""
    largest: float
    """Largest absolute value."""


def wilson(share: float, count: int, z: float = Z_95) -> Interval:
    """Return Wilson's score interval for a proportion of independent trials.

    Unlike `share` +- 2 standard errors, this interval stays inside [0, 1]. Its width is above 0 even if `share` is 0 or
    1.

    Args:
        share: Observed proportion, 0 to 1.
        count: Number of trials.
        z: Quantile of the normal distribution. Default: the quantile for 95 %.

    Raises:
        ValueError: `share` is outside [0, 1] or `count` is below 1.
    Source: E. B. Wilson, Probable inference, JASA 22 (1927), doi:10.1080/01621459.1927.10502953
    """
    if not (0 <= share <= 1 and count >= 1):
        raise ValueError(f"no interval for a share of {share} in {count}")
    z2 = z * z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = z / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    # If the share is 0 or 1, one bound equals the share. A rounding error must not exclude the share from the interval.
    return Interval(min(max(middle - half, 0.0), share), max(min(middle + half, 1.0), share))


def shares_p(first: float, first_count: int, second: float, second_count: int) -> float:
    """Return the two-sided p value of the difference between two proportions, based on Newcombe's interval.

    The p value is the smallest significance level at which the interval excludes 0. The proportions are assumed to be
    independent. Two models often fail on the same images, so the p value is often too high. If the individual
    predictions are known, use `mcnemar_p`.

    Source: R. G. Newcombe, Interval estimation for the difference between independent proportions: method 10,
        Statistics in Medicine 17 (1998), 873-890, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I
    """
    low, high = 0.0, _LARGEST_Z
    while (middle := (low + high) / 2) not in (low, high):
        differ = _shares_differ(first, first_count, second, second_count, middle)
        low, high = (middle, high) if differ else (low, middle)
    return math.erfc(low / math.sqrt(2))


def _shares_differ(first: float, first_count: int, second: float, second_count: int, z: float) -> bool:
    """Return whether Newcombe's interval for the difference between two proportions excludes 0."""
    if first < second:
        first, first_count, second, second_count = second, second_count, first, first_count
    upper, lower = wilson(first, first_count, z), wilson(second, second_count, z)
    return first - second > math.hypot(first - upper.low, lower.high - second)


def holm_shares(first: tuple[float, int], others: Sequence[tuple[float, int]]) -> list[bool]:
    """Return one value per proportion in `others`: True if it differs significantly from the first proportion.

    The result equals the result of `holm` for the p values of `shares_p`. No p values are computed, so the function is
    fast for thousands of proportions. The function works in rounds. If m proportions are undecided, each of them with p
    below 5 % / m is significant.

    Args:
        first: Proportion and its number of trials.
        others: Other proportions and their numbers of trials.
    """
    undecided = list(range(len(others)))
    while undecided:
        z = -statistics.NormalDist().inv_cdf(LEVEL / len(undecided) / 2)
        remaining = [index for index in undecided if not _shares_differ(*first, *others[index], z)]
        if len(remaining) == len(undecided):
            break
        undecided = remaining
    significant = [True] * len(others)
    for index in undecided:
        significant[index] = False
    return significant


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p value of the difference between two classifiers on the same items.

    Args:
        only_first: Number of items that only the first classifier got right.
        only_second: Number of items that only the second classifier got right.

    Source: Q. McNemar, Note on the sampling error of the difference between correlated proportions or percentages,
        Psychometrika 12 (1947), doi:10.1007/BF02295996; for two classifiers T. G. Dietterich, Neural Computation 10
        (1998), doi:10.1162/089976698300017197
    """
    differing, fewer = only_first + only_second, min(only_first, only_second)
    # Each term is divided by the largest term. Terms below the rounding error do not change the sum.
    term = tail = 1.0
    for count in range(fewer, 0, -1):
        term *= count / (differing - count + 1)
        tail += term
        if term < _TOLERANCE * tail:
            break
    largest = math.lgamma(differing + 1) - math.lgamma(fewer + 1) - math.lgamma(differing - fewer + 1)
    return min(1.0, 2 * tail * math.exp(largest - differing * math.log(2)))


def holm(ps: Sequence[float]) -> list[bool]:
    """Return one value per comparison: True if it is significant. The family-wise error rate is at most 5 %.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6
        (1979), 65-70, https://www.jstor.org/stable/4615733
    """
    significant = [False] * len(ps)
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        if ps[index] >= LEVEL / (len(ps) - rank):
            break
        significant[index] = True
    return significant


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Return the 95 % interval for the mean, or None for fewer than two values.

    Source: Student, The probable error of a mean, Biometrika 6 (1908), doi:10.2307/2331554
    """
    if len(values) < 2:
        return None
    middle = statistics.fmean(values)
    half = t_95(len(values) - 1) * math.sqrt(_squared_error(values))
    return Interval(middle - half, middle + half)


def means_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the two-sided p value of the difference between two means (Welch's t test).

    The p value is 1 if one side has fewer than two values.

    If all values on each side are equal, Student's t is not defined. A few equal values do not prove that the spread is
    zero, so the exact permutation test is used. Its p value depends on the number of ways to divide the values into two
    groups.

    Source: B. L. Welch, The generalization of `Student's' problem when several different population variances are
        involved, Biometrika 34 (1947), doi:10.1093/biomet/34.1-2.28
    """
    if min(len(first), len(second)) < 2:
        return 1.0
    return moments_p(_moments(first), _moments(second))


def moments_p(first: Moments, second: Moments) -> float:
    """Return the result of `means_p` for values of which only the moments are known. Each side has at least two
    values."""
    difference = abs(first.mean - second.mean)
    error = first.error + second.error
    if math.sqrt(error) <= _ROUNDING * max(first.largest, second.largest):
        count = math.comb(first.size + second.size, first.size)
        return min(1.0, 2 / count) if difference else 1.0
    freedom = error**2 / (first.error**2 / (first.size - 1) + second.error**2 / (second.size - 1))
    return _two_sided_p(difference / math.sqrt(error), freedom)


def paired_means_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the two-sided p value of the mean difference between pairs (paired t test).

    The p value is 1 for fewer than two pairs.

    If all differences are equal, Student's t is not defined. A few equal differences do not prove that their spread is
    zero. The values are then compared without their pairs (`means_p`), which needs a larger difference.

    Source: Student, The probable error of a mean, Biometrika 6 (1908), doi:10.2307/2331554
    """
    differences = [before - after for before, after in zip(first, second, strict=True)]
    if len(differences) < 2:
        return 1.0
    mean = abs(statistics.fmean(differences))
    error = _squared_error(differences)
    if _is_constant(error, [*first, *second]):
        return means_p(first, second) if mean else 1.0
    return _two_sided_p(mean / math.sqrt(error), len(differences) - 1)


def t_95(freedom: float) -> float:
    """Return the 97.5 % quantile of Student's t distribution, for two-sided 95 % intervals.

    Args:
        freedom: Degrees of freedom, not necessarily an integer.

    Raises:
        ValueError: `freedom` is below 1.
    """
    if not 1 <= freedom < math.inf:
        raise ValueError(f"no quantile for {freedom} degrees of freedom")
    low, high = Z_95, 13.0  # the quantiles for infinitely many degrees of freedom and for one degree
    while (middle := (low + high) / 2) not in (low, high):
        if _two_sided_p(middle, freedom) > 0.05:
            low = middle
        else:
            high = middle
    return middle


def _is_constant(error: float, values: Sequence[float]) -> bool:
    """Return whether a squared standard error is so small that it can result from rounding the values."""
    return math.sqrt(error) <= _ROUNDING * max(map(abs, values))


def _moments(values: Sequence[float]) -> Moments:
    return Moments(len(values), statistics.fmean(values), _squared_error(values), max(map(abs, values)))


def _squared_error(values: Sequence[float]) -> float:
    """Return the squared standard error of the mean."""
    return statistics.variance(values) / len(values)


def _two_sided_p(t: float, freedom: float) -> float:
    """Return the probability that the absolute value of Student's t exceeds `t`, which is at least 0.

    The probability equals the regularized incomplete beta function at freedom / (freedom + t^2). This function is
    computed as a continued fraction.
    Source: https://dlmf.nist.gov/8.17.E22, evaluated by Lentz's algorithm (https://dlmf.nist.gov/3.10#iii)
    """
    a, b, x, complement = freedom / 2, 0.5, freedom / (freedom + t * t), t * t / (freedom + t * t)
    if complement == 0:
        return 1.0
    if x > (a + 1) / (a + b + 2):  # the continued fraction for the complement converges faster
        return 1 - _beta_fraction(b, a, complement)
    return _beta_fraction(a, b, x)


def _beta_fraction(a: float, b: float, x: float) -> float:
    product = c = 1.0
    d = 0.0
    for number in range(1, _MAX_TERMS):
        m = number // 2
        if number % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        c, d = 1 + term / c, 1 / (1 + term * d)
        product *= c * d
        if abs(c * d - 1) < _TOLERANCE:
            break
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(logarithm) / (a * product)
