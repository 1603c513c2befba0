"""Translation of filters to SQL. If a value is missing or the types differ, a comparison yields NULL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import LiteralString

from runfolio.errors import FilterError
from runfolio.query.filter import tree
from runfolio.query.filter.column_lookup import column_of
from runfolio.query.filter.dialect import Dialect
from runfolio.query.filter.parser import parse
from runfolio.query.filter.sql_text import Sql, joined, sql
from runfolio.query.filter.tree import Condition, Name, Now, Operand
from runfolio.query.filter.typed_sql import TypedSql, Values, constant, moment
from runfolio.query.index.rows import microseconds
from runfolio.query.index.tables import Catalog

_WIDTH = 8
"""Maximum number of conditions in one pair of parentheses. SQLite allows about 30 nested parentheses, or 1,000 terms
without parentheses."""
_SIGNS: dict[tree.Operator, LiteralString] = {
    "=": "{} = {}", "!=": "{} <> {}", "<": "{} < {}", "<=": "{} <= {}", ">": "{} > {}", ">=": "{} >= {}"
}  # fmt: skip
_UNKNOWN = sql("NULL")


def compile_filter(where: str, catalog: Catalog, dialect: Dialect, *, now: datetime) -> Sql:
    """Translate a filter to a condition on a row `r` of the table `runs`.

    Args:
        where: Text of the filter (`docs/filter.md`).
        catalog: Names that the filter may use.
        dialect: SQL of the database.
        now: Current time, which is the value of `now()`. Durations of running runs are measured up to this time.

    Raises:
        FilterError: The text is not a valid filter, or it names a column that is not in the catalog.
    """
    return _Compiler(where, Values(catalog, dialect, now)).condition(parse(where)).sql


@dataclass(frozen=True)
class _Nested:
    """Condition with the nesting depth of its parentheses."""

    sql: Sql
    depth: int = 0


@dataclass(frozen=True)
class _Compiler:
    text: str
    values: Values

    def condition(self, condition: Condition) -> _Nested:
        match condition:
            case tree.Or(conditions):
                return _joined(" OR ", [self.condition(inner) for inner in conditions])
            case tree.And(conditions):
                return _joined(" AND ", [self.condition(inner) for inner in conditions])
            case tree.Not(inner):
                negated = self.condition(inner)
                return _Nested(sql("NOT ({})", negated.sql), negated.depth + 1)
            case tree.Compare(left, operator, right):
                return _Nested(self._comparison(self._value(left), operator, self._right_value(right)))
            case tree.IsNull(operand):
                return _Nested(sql("{} IS NULL", self._value(operand).present))
            case tree.In(operand, values):
                return _Nested(self._is_in(self._value(operand), [constant(value.value) for value in values]))
            case tree.Like(operand, pattern, ignores_case):
                text = self._value(operand).types.get("text")
                return _Nested(self._dialect.like(text, pattern, ignores_case=ignores_case) if text else _UNKNOWN)
            case tree.IsTrue(operand):
                return _Nested(self._value(operand).types.get("boolean", _UNKNOWN))

    @property
    def _dialect(self) -> Dialect:
        return self.values.dialect

    def _value(self, operand: Operand) -> TypedSql:
        match operand:
            case Name():
                return self.values.of(column_of(operand, self.values.catalog, self.text))
            case Now(offset_s):
                return moment(self._moved(offset_s, operand.position))
            case tree.Constant(value):
                return constant(value)

    def _right_value(self, operand: Operand) -> TypedSql:
        """Return the value to the right of an operator. An unknown name there is often a string without quotes."""
        try:
            return self._value(operand)
        except FilterError as error:
            if not isinstance(operand, Name) or any(operand.is_quoted):
                raise
            name = ".".join(operand.parts)
            problem = f"{error.problem}; a string needs single quotes: '{name}'"
            raise FilterError(self.text, error.position, problem) from None

    def _moved(self, offset_s: float, position: int) -> int:
        try:
            return microseconds(self.values.now + timedelta(seconds=offset_s))
        except (OverflowError, ValueError):
            problem = "this time is before the year 1 or after the year 9999"
            raise FilterError(self.text, position, problem) from None

    def _comparison(self, left: TypedSql, operator: tree.Operator, right: TypedSql) -> Sql:
        pairs = self._pairs(left, right)
        compared = [sql(_SIGNS[operator], *pair) for pair in pairs]
        if len(compared) < 2:
            return compared[0] if compared else _UNKNOWN
        return sql("coalesce({})", joined(", ", compared))  # at most one comparison is not NULL

    def _is_in(self, value: TypedSql, choices: Sequence[TypedSql]) -> Sql:
        """Return SQL that tests if a value equals a choice. The SQL yields NULL if no choice is equal and at least one
        choice has a different type."""
        pairs = [self._pairs(value, choice) for choice in choices]
        by_type: dict[Sql, list[Sql]] = {}
        for own, choice in chain.from_iterable(pairs):
            by_type.setdefault(own, []).append(choice)
        terms = [sql("{} IN ({})", own, joined(", ", of_type)) for own, of_type in by_type.items()]
        return sql("({})", joined(" OR ", terms if all(pairs) else [*terms, _UNKNOWN]))

    def _pairs(self, left: TypedSql, right: TypedSql) -> list[tuple[Sql, Sql]]:
        """Return pairs of SQL expressions for two values, one pair for each type that both values can have. A string
        that is compared with a time is parsed."""
        if ("time" in left.types) != ("time" in right.types):
            times = [self._as_time(value) for value in (left, right)]
            return [(times[0], times[1])] if times[0] and times[1] else []
        return [(left.types[kind], right.types[kind]) for kind in left.types if kind in right.types]

    def _as_time(self, value: TypedSql) -> Sql | None:
        text = value.types.get("text")
        return value.types.get("time") or (self._dialect.time(text) if text else None)


def _joined(word: LiteralString, conditions: Sequence[_Nested]) -> _Nested:
    """Join conditions with AND or OR, in nested parentheses that keep within SQLite's limits (see `_WIDTH`).

    In each pair of parentheses, the deepest condition comes first. SQLite's parser needs the least memory in this
    order.
    """
    parts = list(conditions)
    while len(parts) > 1:
        parts.sort(key=lambda part: part.depth)
        group, parts = parts[:_WIDTH][::-1], parts[_WIDTH:]
        parts.append(_Nested(sql("({})", joined(word, [part.sql for part in group])), group[0].depth + 1))
    return parts[0]
