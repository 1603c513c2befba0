"""Formatting of numbers with singular or plural nouns, for messages."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number with a singular or plural noun: `1 line`, `2 lines`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
