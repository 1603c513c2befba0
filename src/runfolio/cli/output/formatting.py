"""Formatting of values for people. A formatter receives a whole column and can therefore align the column's numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from runfolio.record.base.byte_sizes import byte_size as byte_size

MISSING = "-"
"""String that is shown for a missing value."""

_LONG = 40
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def elementwise(format_value: Callable[[Any], str]) -> Callable[[Sequence[Any]], list[str]]:
    """Return a column formatter that formats every value separately."""
    return lambda values: [MISSING if value is None else format_value(value) for value in values]


def aligned_numbers(values: Sequence[Any], digits: int = 4) -> list[str]:
    """Format a column of measured numbers with the same number of decimals.

    `digits` is the number of significant digits of the largest number. A column that contains only integers is printed
    in full. If a number other than 0 would be rounded to 0, it is printed with two significant digits. If the largest
    number is below 0.001 or at least 1,000,000, scientific notation is used.
    """
    if all(isinstance(value, int) for value in values if is_number(value)):
        return elementwise(lambda value: count(value) if is_number(value) else str(value))(values)
    magnitudes = [abs(value) for value in values if is_number(value) and math.isfinite(value) and value]
    largest = max(magnitudes, default=1.0)
    if not 1e-3 <= largest < 1e6:
        return elementwise(lambda value: _power_of_ten(value) if is_number(value) else str(value))(values)
    decimals = max(0, digits - math.ceil(math.log10(largest)))  # 1 is printed with as many decimals as 0.9
    return elementwise(lambda value: _fixed_point(value, decimals) if is_number(value) else str(value))(values)


def _power_of_ten(value: float) -> str:
    return f"{value:.2e}" if value else "0"


def _fixed_point(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    return f"{value:.2g}" if value and not text.strip("-0.") else text


def setting_value(value: Any) -> str:
    """Format the value of a setting as a user would write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, dict)) and len(str(value)) > _LONG:
        return f"{len(value)} values"
    return f"{value:g}" if isinstance(value, float) else str(value)


def significant_digits(value: float) -> str:
    """Format a single measured number, which is not aligned with other numbers."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def count(value: float) -> str:
    return f"{value:,.0f}"


def large_count(value: int) -> str:
    """Format a number of parameters, such as `8,083` or `2.2 M`."""
    return count(value) if value < 1_000_000 else f"{value / 1_000_000:.1f} M"


def probability(value: float) -> str:
    """Format a probability as a percentage, rounded down. Only a probability of 1 is shown as 100 %."""
    if math.isnan(value):
        return "nan"
    return f"{math.floor(value * 1000) / 10:.1f} %"


def duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < _MINUTE_S:
        return f"{seconds:.1f} s"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S:.0f} min {seconds % _MINUTE_S:02.0f} s"
    return f"{seconds // _HOUR_S:.0f} h {seconds % _HOUR_S // _MINUTE_S:02.0f} min"


def timestamp(when: datetime) -> str:
    """Format a time in the reader's time zone."""
    return f"{when.astimezone():%Y-%m-%d %H:%M}"


def age(when: datetime) -> str:
    """Format the time since `when`, such as `3 min ago`. After 30 days, return the date instead."""
    seconds = (datetime.now(UTC) - when).total_seconds()
    if seconds < _MINUTE_S:
        return "just now"
    for unit_s, name, upto_s in ((_MINUTE_S, "min", _HOUR_S), (_HOUR_S, "h", _DAY_S), (_DAY_S, "d", 30 * _DAY_S)):
        if seconds < upto_s:
            return f"{seconds // unit_s:.0f} {name} ago"
    return f"{when.astimezone():%Y-%m-%d}"


def fingerprint(text: str) -> str:
    """Return the first 8 characters of a digest. They suffice to distinguish digests."""
    return text[:8]
