"""Formatting of numbers of bytes with a unit, for messages."""

from __future__ import annotations


def byte_size(byte_count: float) -> str:
    """Format a number of bytes with three significant digits, such as `1.25 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if byte_count < 1000:
            return f"{byte_count:.0f} B" if unit == "B" else f"{byte_count:.3g} {unit}"
        byte_count /= 1000
    return f"{byte_count:,.0f} TB"
