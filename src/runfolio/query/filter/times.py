"""Times in filters, in microseconds since 1970 UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from runfolio.query.index.rows import microseconds


@lru_cache(maxsize=10_000)
def time_of_text(text: str | None) -> int | None:
    """Parse an ISO 8601 string, in UTC unless the string has an offset. Return None if the string is not a time."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
