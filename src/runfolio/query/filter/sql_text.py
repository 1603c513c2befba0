"""SQL with its parameters. Text from users is always passed as a parameter and never becomes part of the SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any, LiteralString


@dataclass(frozen=True)
class Sql:
    """SQL with a `?` for each parameter."""

    text: str
    parameters: tuple[Any, ...] = ()


def sql(template: LiteralString, *parts: Sql) -> Sql:
    """Return the template with each `{}` replaced by one of the parts."""
    return Sql(template.format(*(part.text for part in parts)), _parameters(parts))


def joined(separator: LiteralString, parts: Iterable[Sql]) -> Sql:
    """Return the parts with a separator between them."""
    parts = list(parts)
    return Sql(separator.join(part.text for part in parts), _parameters(parts))


def bound(value: str | float | None) -> Sql:
    """Return SQL that consists of one parameter with the given value."""
    return Sql("?", (value,))


def _parameters(parts: Iterable[Sql]) -> tuple[Any, ...]:
    return tuple(chain.from_iterable(part.parameters for part in parts))
