"""How far a share counted on some images, or a mean of some runs, can be trusted."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from typing import NamedTuple

Z_95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: two-sided 95 %."""
LEVEL = 0.05
"""Two figures differ where chance makes such a difference less often than this."""

_LARGEST_Z = 40.0
"""So many standard deviations are further out than a float's p can say."""
_ROUNDING = 10 * sys.float_info.epsilon
"""Standard error, as a share of the values, up to which they count as constant; that of R's `t.test`."""
_TERMS, _ENOUGH = 1000, 1e-15
"""Of a continued fraction: how many at most, and how near to 1 the last one changes nothing."""


class Interval(NamedTuple):
    low: float
    high: float


def wilson(share: float, count: int, z: float = Z_95) -> Interval:
    """The score interval of a share (0 to 1) seen on `count` independent trials: 95 %, or so many standard deviations.

    Unlike share +- 2 standard errors it stays inside [0, 1] and does not shrink to nothing at 0 or 1.

    Raises:
        ValueError: `share` is outside [0, 1] or `count` is below 1.
    Source: E. B. Wilson, Probable inference, JASA 22 (1927), doi:10.1080/01621459.1927.10502953
    """
    if not (0 <= share <= 1 and count >= 1):
        raise ValueError(f"no interval for a share of {share} in {count}")
    z2 = z * z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = z / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    # At 0 and 1 the bound is exact; rounding must not move it past the share itself.
    return Interval(min(max(middle - half, 0.0), share), max(min(middle + half, 1.0), share))


def shares_p(first: float, first_count: int, second: float, second_count: int) -> float:
    """How likely two shares of one truth differ by as much: the p at which the interval of the difference ends at 0.

    The two are taken as independent. Two models asked about the same images usually err on the same ones, so this is
    rather too high than too low; `mcnemar_p` is for those whose single answers are known.

    Source: R. G. Newcombe, Interval estimation for the difference between independent proportions: method 10,
        Statistics in Medicine 17 (1998), 873-890, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I
    """
    if first < second:
        first, first_count, second, second_count = second, second_count, first, first_count

    def leaves_out_0(z: float) -> bool:
        upper, lower = wilson(first, first_count, z), wilson(second, second_count, z)
        return first - second > math.hypot(first - upper.low, lower.high - second)

    low, high = 0.0, _LARGEST_Z
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if leaves_out_0(middle) else (low, middle)
    return math.erfc(low / math.sqrt(2))


def mcnemar_p(only_first: int, only_second: int) -> float:
    """How likely two classifiers that are equally good differ by as much on the same items: exact, two-sided.

    Args:
        only_first: Items that the first alone got right; `only_second` likewise.
    Source: Q. McNemar, Note on the sampling error of the difference between correlated proportions or percentages,
        Psychometrika 12 (1947), doi:10.1007/BF02295996; for two classifiers T. G. Dietterich, Neural Computation 10
        (1998), doi:10.1162/089976698300017197
    """
    differing, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(differing, count) for count in range(fewer + 1))
    return min(1.0, 2 * tail / 2**differing)


def holm(ps: Sequence[float]) -> list[bool]:
    """Which of several comparisons tell a difference, when all of them together are to err in 5 % of cases at most.

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
    """The 95 % interval of the mean that values are drawn around; None of fewer than two, whose spread is not known.

    Source: Student, The probable error of a mean, Biometrika 6 (1908), doi:10.2307/2331554
    """
    if len(values) < 2:
        return None
    middle = statistics.fmean(values)
    half = t_95(len(values) - 1) * math.sqrt(_of_mean(values))
    return Interval(middle - half, middle + half)


def means_p(first: Sequence[float], second: Sequence[float]) -> float:
    """How likely means of the same truth differ by as much; two-sided.

    The spread of the one need not be that of the other. With fewer than two values on a side nothing can be told: 1.
    If neither side has a spread, Student's t is not defined, and a few equal values are no evidence of zero spread. The
    exact permutation test then takes its place: it counts the ways in which chance can divide the values.

    Source: B. L. Welch, The generalization of `Student's' problem when several different population variances are
        involved, Biometrika 34 (1947), doi:10.1093/biomet/34.1-2.28
    """
    if min(len(first), len(second)) < 2:
        return 1.0
    difference = abs(statistics.fmean(first) - statistics.fmean(second))
    first_error, second_error = _of_mean(first), _of_mean(second)
    if _is_constant(first_error + second_error, [*first, *second]):
        count = math.comb(len(first) + len(second), len(first))
        return min(1.0, 2 / count) if difference else 1.0
    freedom = (first_error + second_error) ** 2 / (
        first_error**2 / (len(first) - 1) + second_error**2 / (len(second) - 1)
    )
    return _beyond(difference / math.sqrt(first_error + second_error), freedom)


def paired_means_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Return how likely means of the same truth differ by as much, if values of equal position belong together.

    With fewer than two pairs nothing can be told: 1. If all differences are equal, Student's t is not defined, and a
    few equal differences are no evidence of zero spread. The exact sign test then takes its place.

    Source: Student, The probable error of a mean, Biometrika 6 (1908), doi:10.2307/2331554
    """
    differences = [before - after for before, after in zip(first, second, strict=True)]
    if len(differences) < 2:
        return 1.0
    mean = abs(statistics.fmean(differences))
    error = _of_mean(differences)
    if _is_constant(error, [*first, *second]):
        return mcnemar_p(len(differences), 0) if mean else 1.0
    return _beyond(mean / math.sqrt(error), len(differences) - 1)


def t_95(freedom: float) -> float:
    """The 97.5 % quantile of Student's t distribution: two-sided 95 %.

    Args:
        freedom: Degrees of freedom, not always whole.
    Raises:
        ValueError: They are fewer than 1.
    """
    if not 1 <= freedom < math.inf:
        raise ValueError(f"no quantile for {freedom} degrees of freedom")
    low, high = Z_95, 13.0  # of infinitely many, and just above that of one
    while (middle := (low + high) / 2) not in (low, high):
        if _beyond(middle, freedom) > 0.05:
            low = middle
        else:
            high = middle
    return middle


def _is_constant(error: float, values: Sequence[float]) -> bool:
    """Return whether a squared standard error is nothing but what rounding leaves of values of this size."""
    return math.sqrt(error) <= _ROUNDING * max(map(abs, values))


def _of_mean(values: Sequence[float]) -> float:
    """The squared standard error of their mean."""
    return statistics.variance(values) / len(values)


def _beyond(t: float, freedom: float) -> float:
    """The probability that Student's t is further from 0 than `t`, which is not below it.

    It is the regularized incomplete beta function at freedom / (freedom + t^2), by its continued fraction.
    Source: https://dlmf.nist.gov/8.17.E22, evaluated by Lentz's algorithm (https://dlmf.nist.gov/3.10#iii)
    """
    a, b, x, complement = freedom / 2, 0.5, freedom / (freedom + t * t), t * t / (freedom + t * t)
    if complement == 0:
        return 1.0
    if x > (a + 1) / (a + b + 2):  # where the fraction of the complement converges quickly
        return 1 - _beta_fraction(b, a, complement)
    return _beta_fraction(a, b, x)


def _beta_fraction(a: float, b: float, x: float) -> float:
    product = c = 1.0
    d = 0.0
    for number in range(1, _TERMS):
        m = number // 2
        if number % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        c, d = 1 + term / c, 1 / (1 + term * d)
        product *= c * d
        if abs(c * d - 1) < _ENOUGH:
            break
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(logarithm) / (a * product)
