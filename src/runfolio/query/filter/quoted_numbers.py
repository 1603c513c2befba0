"""Search for quoted numbers in a filter. For example, `lr = '0.2'` never matches, because a string never equals a
number."""

from __future__ import annotations

import math
from collections.abc import Iterator

from runfolio.query.filter import tree
from runfolio.query.filter.tree import Condition, Constant, Operand


def quoted_numbers(condition: Condition) -> Iterator[Constant]:
    """Yield the quoted numbers in the comparisons of a filter, in the order of the text."""
    match condition:
        case tree.Or(conditions) | tree.And(conditions):
            for inner in conditions:
                yield from quoted_numbers(inner)
        case tree.Not(inner):
            yield from quoted_numbers(inner)
        case tree.Compare(left, _, right):
            yield from (side for side in (left, right) if isinstance(side, Constant) and _unquoted(side))
        case tree.In(_, values):
            yield from (value for value in values if _unquoted(value))
        case _:
            pass


def without_quotes(condition: Condition) -> Condition:
    """Return a filter without quotes around numbers."""
    match condition:
        case tree.Or(conditions):
            return tree.Or(tuple(map(without_quotes, conditions)))
        case tree.And(conditions):
            return tree.And(tuple(map(without_quotes, conditions)))
        case tree.Not(inner):
            return tree.Not(without_quotes(inner))
        case tree.Compare(left, operator, right):
            return tree.Compare(_unquoted(left) or left, operator, _unquoted(right) or right)
        case tree.In(operand, values):
            return tree.In(operand, tuple(_unquoted(value) or value for value in values))
        case _:
            return condition


def _unquoted(operand: Operand) -> Constant | None:
    """Return a quoted number as a number, or None for any other operand."""
    if not isinstance(operand, Constant) or not isinstance(operand.value, str):
        return None
    try:
        number = float(operand.value)
    except ValueError:
        return None
    return Constant(number, operand.position) if math.isfinite(number) else None
