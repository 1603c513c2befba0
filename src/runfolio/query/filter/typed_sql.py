"""SQL for the value of a column or constant, with one expression per type."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString

from runfolio.query.filter.column_lookup import IndexColumn
from runfolio.query.filter.dialect import Dialect
from runfolio.query.filter.sql_text import Sql, bound, sql
from runfolio.query.index.rows import microseconds, stored_number
from runfolio.query.index.tables import BOOLEAN, JSON, NULL, NUMBER, TEXT, Catalog

Type = Literal["number", "text", "boolean", "time"]
_NO_KIND = sql("NULL")
_TEXT_KINDS = bound(TEXT), bound(JSON)
_FACTS: dict[str, tuple[Type, LiteralString]] = {
    "id": ("text", "r.id"),
    "name": ("text", "r.name"),
    "experiment": ("text", "r.experiment"),
    "state": ("text", "r.state"),
    "created": ("time", "r.created"),
    "ended": ("time", "r.ended"),
    "reason": ("text", "r.reason"),
    "notes": ("text", "r.notes"),
    "archived": ("boolean", "r.archived"),
    "series": ("text", "r.series"),
    "lineage": ("text", "r.lineage"),
    "host": ("text", "r.host"),
    "device": ("text", "r.device"),
    "commit": ("text", 'r."commit"'),
    "folder": ("text", "CAST(r.folder AS TEXT)"),
}
"""Type and SQL expression of each fact in `runs`, except `tags` and `duration_s`."""


@dataclass(frozen=True)
class TypedSql:
    """SQL expressions for the value of a column or constant."""

    present: Sql
    """Value of any type, or NULL if it is missing or NaN. Booleans are 0 or 1, and times are microseconds since 1970
    UTC."""
    types: dict[Type, Sql]
    """One expression per type that the value can have. An expression yields NULL if the actual type is different."""
    kind: Sql = _NO_KIND
    """Kind of a setting or result, such as `tables.NUMBER`, or NULL for other columns."""


@dataclass(frozen=True)
class Values:
    """SQL for the column values of a row `r` of the table `runs`."""

    catalog: Catalog
    dialect: Dialect
    now: datetime

    def of(self, column: IndexColumn) -> TypedSql:
        """Return the SQL for the value of a column."""
        match column.kind:
            case "fact":
                return self._fact(column.name)
            case "params":
                return self._setting("params", self.catalog.params[column.name])
            case "results":
                return self._setting("results", self.catalog.results[column.name])
            case "metrics":
                return _of_type("number", self._metric(column))
            case "figure":
                return _of_type("number", self._figure(column))
            case "data":
                return _of_type("text", _in_table("data", sql("fingerprint"), self.catalog.data[column.name]))
            case "tag":
                return self._tag(column.name)

    def _fact(self, name: str) -> TypedSql:
        if name == "tags":
            return _of_type("text", self.dialect.tags())
        if name == "duration_s":
            now = bound(microseconds(self.now))
            growing = "CASE WHEN r.working_since < {} THEN ({} - r.working_since) / 1e6 ELSE 0 END"
            return _of_type("number", sql(f"(r.worked_s + {growing})", now, now))
        kind, expression = _FACTS[name]
        return _of_type(kind, sql(expression))

    def _setting(self, table: LiteralString, name_id: int) -> TypedSql:
        types: dict[Type, Sql] = {
            "number": _in_table(table, sql("CASE kind WHEN {} THEN number END", bound(NUMBER)), name_id),
            "text": _in_table(table, sql("CASE WHEN kind IN ({}, {}) THEN text END", *_TEXT_KINDS), name_id),
            "boolean": _in_table(table, sql("CASE kind WHEN {} THEN number END", bound(BOOLEAN)), name_id),
        }
        present, kind = (_in_table(table, value, name_id) for value in (sql("coalesce(number, text)"), sql("kind")))
        return TypedSql(present, types, sql("coalesce({}, {})", kind, bound(NULL)))

    def _metric(self, column: IndexColumn) -> Sql:
        return _in_table("metrics", sql('"{}"', sql(column.aggregate)), self.catalog.metrics[column.name])

    def _figure(self, column: IndexColumn) -> Sql:
        name_id = self.catalog.results[column.name]
        kind, number = (_in_table("results", value, name_id) for value in (sql("kind"), sql("number")))
        return sql("CASE {} WHEN {} THEN {} * 1.0 ELSE {} END", kind, bound(NUMBER), number, self._metric(column))

    def _tag(self, name: str) -> TypedSql:
        tag, own_name = self.dialect.tag(name), bound(name)
        after_sign = sql("CASE WHEN {} <> {} THEN substr({}, {}) END", tag, own_name, tag, bound(len(name) + 2))
        return TypedSql(tag, {"boolean": sql("nullif({} = {}, 0)", tag, own_name), "text": after_sign})


def constant(value: float | str | bool) -> TypedSql:
    """Return the SQL for a constant."""
    if isinstance(value, bool):
        return _of_type("boolean", bound(value))
    return _of_type("text", bound(value)) if isinstance(value, str) else _of_type("number", bound(stored_number(value)))


def moment(us: int) -> TypedSql:
    """Return the SQL for a time, given in microseconds since 1970 UTC."""
    return _of_type("time", bound(us))


def _of_type(kind: Type, expression: Sql) -> TypedSql:
    return TypedSql(expression, {kind: expression})


def _in_table(table: LiteralString, value: Sql, name_id: int) -> Sql:
    return sql("(SELECT {} FROM {} WHERE name_id = {} AND run = r.run)", value, sql(table), bound(name_id))
