"""Folds of a cross-validation."""

from __future__ import annotations

from typing import NamedTuple, Self

from runfolio.errors import ConfigError


class Fold(NamedTuple):
    """Fold that is used for validation in a cross-validation. The other folds are used for training."""

    number: int
    """Number of the fold, counted from 1."""
    total: int
    """Number of folds."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a fold such as `2/5`, the second of five.

        Raises:
            ConfigError: The string does not have this form, or the fold does not exist.
        """
        number, _, count = text.partition("/")
        if number.isdecimal() and count.isdecimal() and int(count) >= 2 and 1 <= int(number) <= int(count):
            return cls(int(number), int(count))
        raise ConfigError(f"fold is {text!r}; it must look like 2/5, the second of five (--folds 5 runs all of them)")
