"""Syntax tree of a filter, and its text."""

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
    """A column, such as `params.lr` or `metrics["val/acc"].max`."""

    parts: tuple[str, ...]
    position: int = field(default=0, compare=False)
    """Index of its first character in the text of the filter."""
    is_quoted: tuple[bool, ...] = ()
    """Tells of each part whether it is quoted; a quoted part is never split or read as an aggregate."""


@dataclass(frozen=True)
class Constant:
    """A number, text or boolean."""

    value: float | int | str | bool
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Now:
    """The time of the evaluation, moved by some seconds."""

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
    """True if a run lacks the column, or its value is NaN."""

    operand: Name


@dataclass(frozen=True)
class In:
    operand: Operand
    values: tuple[Constant, ...]


@dataclass(frozen=True)
class Like:
    """Match of a text with a pattern: `%` is any text, `_` any character, `\\` quotes the next character."""

    operand: Name
    pattern: str
    ignores_case: bool = False


@dataclass(frozen=True)
class IsTrue:
    """A column that is true or false by itself, such as `archived` or `tags.baseline`."""

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
    """Return the filter as text; parsing it gives an equal tree."""
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
