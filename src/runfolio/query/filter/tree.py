"""Syntax tree of a filter, and its conversion back to text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal as Choice

KEYWORDS = frozenset(
    {"and", "or", "not", "in", "like", "ilike", "between", "is", "null", "true", "false", "now", "interval"}
)

Operator = Choice["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True)
class Name:
    """Name of a column, such as `params.lr` or `metrics["val/acc"].max`."""

    parts: tuple[str, ...]
    position: int = field(default=0, compare=False)
    """Index of the name's first character in the text of the filter."""
    is_quoted: tuple[bool, ...] = ()
    """One value per part of the name: True if the part is quoted. A quoted part is never split, and never interpreted
    as an aggregate."""


@dataclass(frozen=True)
class Constant:
    """Number, string or boolean."""

    value: float | int | str | bool
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Now:
    """Time of the evaluation plus an offset in seconds."""

    offset_s: float
    position: int = field(default=0, compare=False)


Operand = Name | Constant | Now


@dataclass(frozen=True)
class Compare:
    left: Operand
    operator: Operator
    right: Operand


@dataclass(frozen=True)
class IsNull:
    """Condition that is true if a run has no value in the column or the value is NaN."""

    operand: Name


@dataclass(frozen=True)
class In:
    operand: Operand
    values: tuple[Constant, ...]


@dataclass(frozen=True)
class Like:
    """Match of a string with a pattern. `%` matches any string, and `_` matches any character. `\\` quotes the next
    character."""

    operand: Name
    pattern: str
    ignores_case: bool = False


@dataclass(frozen=True)
class IsTrue:
    """Condition that consists of a boolean column only, such as `archived` or `tags.baseline`."""

    operand: Name


@dataclass(frozen=True)
class Not:
    condition: Condition


@dataclass(frozen=True)
class And:
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Or:
    conditions: tuple[Condition, ...]


Condition = Compare | IsNull | In | Like | IsTrue | Not | And | Or


def to_text(condition: Condition) -> str:
    """Return a filter as text that can be parsed to the same tree."""
    match condition:
        case Or(conditions):
            return " OR ".join(_nested(inner) for inner in conditions)
        case And(conditions):
            return " AND ".join(_nested(inner) for inner in conditions)
        case Not(inner):
            return f"NOT {_nested(inner)}"
        case Compare(left, operator, right):
            return f"{operand_text(left)} {operator} {operand_text(right)}"
        case IsNull(operand):
            return f"{operand_text(operand)} IS NULL"
        case In(operand, values):
            return f"{operand_text(operand)} IN ({', '.join(map(operand_text, values))})"
        case Like(operand, pattern, ignores_case):
            return f"{operand_text(operand)} {'ILIKE' if ignores_case else 'LIKE'} {_quoted_text(pattern)}"
        case IsTrue(operand):
            return operand_text(operand)


def operand_text(operand: Operand) -> str:
    """Return one side of a comparison as text."""
    match operand:
        case Name(parts, _, is_quoted):
            return _name_text(parts, is_quoted)
        case Now(offset_s):
            sign = "-" if offset_s < 0 else "+"
            return f"now() {sign} interval '{abs(offset_s)!r} s'" if offset_s else "now()"
        case Constant(value):
            return _value_text(value)


def _value_text(value: float | str | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _quoted_text(value)
    return repr(value) if math.isfinite(value) else f"{'-' if value < 0 else ''}1e999"


def _nested(condition: Condition) -> str:
    text = to_text(condition)
    return f"({text})" if isinstance(condition, (And, Or, Not)) else text


def _name_text(parts: Sequence[str], is_quoted: Sequence[bool]) -> str:
    first, *rest = (
        f'"{part.replace(chr(34), chr(34) * 2)}"' if quoted else part
        for part, quoted in zip(parts, is_quoted, strict=True)
    )
    return first + "".join(f"[{part}]" if part.startswith('"') else f".{part}" for part in rest)


def _quoted_text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
