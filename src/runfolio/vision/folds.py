"""Folds of a cross-validation, by name."""

from __future__ import annotations

from typing import NamedTuple, Self

from runfolio.errors import ConfigError


class Fold(NamedTuple):
    """One part of several, each of which validates once while the others train."""

    number: int
    """From 1 on."""
    total: int
    """How many folds there are."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Fold 2 of 5 from `2/5`.

        Raises:
            ConfigError: It is not of that form, or there is no such fold.
        """
        number, _, count = text.partition("/")
        if number.isdecimal() and count.isdecimal() and int(count) >= 2 and 1 <= int(number) <= int(count):
            return cls(int(number), int(count))
        raise ConfigError(f"fold is {text!r}; it must be such as 2/5, the second of five (--folds 5 runs all of them)")
