"""Values as people read them. Each takes a whole column, so that its numbers line up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

NOTHING = "-"
"""Shown where there is no value."""

_LONG = 40
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def each(show: Callable[[Any], str]) -> Callable[[Sequence[Any]], list[str]]:
    """A column whose cells do not depend on each other."""
    return lambda values: [NOTHING if value is None else show(value) for value in values]


def aligned(values: Sequence[Any], digits: int = 4) -> list[str]:
    """Measured numbers: so many significant digits for the largest, and the same decimals for all; counts in full."""
    if all(isinstance(value, int) for value in values if is_number(value)):
        return each(lambda value: count(value) if is_number(value) else str(value))(values)
    sizes = [abs(value) for value in values if is_number(value) and math.isfinite(value) and value]
    largest = max(sizes, default=1.0)
    if not 1e-3 <= largest < 1e6:
        return each(lambda value: f"{value:.3g}" if is_number(value) else str(value))(values)
    decimals = max(0, digits - math.ceil(math.log10(largest)))  # a share of 1 has the decimals of 0.9
    return each(lambda value: f"{value:,.{decimals}f}" if is_number(value) else str(value))(values)


def value(given: Any) -> str:
    """A setting as one would write it."""
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, (list, dict)) and len(str(given)) > _LONG:
        return f"{len(given)} values"
    return f"{given:g}" if isinstance(given, float) else str(given)


def significant(given: float) -> str:
    """A measured number that need not line up with others."""
    return f"{given:,.0f}" if abs(given) >= 100 else f"{given:#.3g}"


def count(given: float) -> str:
    return f"{given:,.0f}"


def probability(given: float) -> str:
    """Rounded down, so that only certainty is called 100 %."""
    if math.isnan(given):
        return "nan"
    return f"{math.floor(given * 1000) / 10:.1f} %"


def size(given_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if given_bytes < 1000:
            return f"{given_bytes:.0f} B" if unit == "B" else f"{given_bytes:.3g} {unit}"
        given_bytes /= 1000
    return f"{given_bytes:,.0f} TB"


def duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < _MINUTE_S:
        return f"{seconds:.1f} s"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S:.0f} min {seconds % _MINUTE_S:02.0f} s"
    return f"{seconds // _HOUR_S:.0f} h {seconds % _HOUR_S // _MINUTE_S:02.0f} min"


def moment(when: datetime) -> str:
    """A time in the reader's time zone."""
    return f"{when.astimezone():%Y-%m-%d %H:%M}"


def age(when: datetime) -> str:
    """How long ago: `3 min ago`; a date where it is longer than a month."""
    seconds = (datetime.now(UTC) - when).total_seconds()
    if seconds < _MINUTE_S:
        return "just now"
    for unit_s, name, upto_s in ((_MINUTE_S, "min", _HOUR_S), (_HOUR_S, "h", _DAY_S), (_DAY_S, "d", 30 * _DAY_S)):
        if seconds < upto_s:
            return f"{seconds // unit_s:.0f} {name} ago"
    return f"{when.astimezone():%Y-%m-%d}"


def fingerprint(text: str) -> str:
    """The beginning of a digest, which is enough to tell two apart."""
    return text[:8]
