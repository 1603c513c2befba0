"""How far a share counted on a finite number of images can be trusted."""

from __future__ import annotations

import math
from typing import NamedTuple

Z_95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: two-sided 95 %."""


class Interval(NamedTuple):
    low: float
    high: float


def wilson(share: float, count: int) -> Interval:
    """The 95 % score interval of a share (0 to 1) seen on `count` independent trials.

    Unlike share +- 2 standard errors it stays inside [0, 1] and does not shrink to nothing at 0 or 1.

    Raises:
        ValueError: `share` is outside [0, 1] or `count` is below 1.
    Source: E. B. Wilson, Probable inference, JASA 22 (1927), doi:10.1080/01621459.1927.10502953
    """
    if not (0 <= share <= 1 and count >= 1):
        raise ValueError(f"no interval for a share of {share} in {count}")
    z2 = Z_95 * Z_95
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z_95 / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    # At 0 and 1 the bound is exact; rounding must not move it past the share itself.
    return Interval(min(max(middle - half, 0.0), share), max(min(middle + half, 1.0), share))


def told_apart(first: float, first_count: int, second: float, second_count: int) -> bool:
    """Whether two shares differ by more than chance: the 95 % interval of their difference leaves out 0.

    The two are taken as independent. Two models tested on the same images usually err on the same ones, so this
    says "cannot tell" rather too often than too seldom.

    Source: R. G. Newcombe, Interval estimation for the difference between independent proportions: method 10,
        Statistics in Medicine 17 (1998), 873-890, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I
    """
    if first < second:
        first, first_count, second, second_count = second, second_count, first, first_count
    upper, lower = wilson(first, first_count), wilson(second, second_count)
    return first - second > math.hypot(first - upper.low, lower.high - second)
