"""Check that an SQL query is a single, read-only statement."""

from __future__ import annotations

import re
from typing import Any

from runfolio.errors import ConfigError

_EXPLAIN = re.compile(r"\s*EXPLAIN(?:\s+ANALYZE)?(?:\s*\([^()]*\))?\s", re.IGNORECASE)
_ONLY_READING = "only one SELECT or EXPLAIN SELECT is allowed, since the record is read-only"


_READING = ("DESCRIBE", "EXPLAIN", "FROM", "PIVOT", "SELECT", "SHOW", "SUMMARIZE", "TABLE", "VALUES", "WITH", "(")
"""First words of statements that may be a SELECT."""


def check_query(query: str, duckdb: Any) -> None:
    """Check that a query is exactly one SELECT or EXPLAIN SELECT.

    All other statements are rejected, since DuckDB can write files in the folders that it is allowed to read (`COPY`,
    `ATTACH` and `EXPORT`). `EXPLAIN ANALYZE` executes the explained statement. Therefore, the explained statement is
    checked too.

    Raises:
        ConfigError: The query is a different statement, has several statements, or cannot be parsed.
    """
    kinds = _statement_kinds(query, duckdb)
    if kinds == ["EXPLAIN"]:
        inner, count = _EXPLAIN.subn("", query, count=1)
        if count and _EXPLAIN.match(query):
            kinds = _statement_kinds(inner, duckdb)
    if kinds != ["SELECT"]:
        words = " and ".join(kind.replace("_", " ") for kind in kinds) or "nothing"
        raise ConfigError(f"the SQL is {words}; {_ONLY_READING}")


def _statement_kinds(query: str, duckdb: Any) -> list[str]:
    try:
        return [statement.type.name for statement in duckdb.extract_statements(query)]
    except duckdb.Error as error:
        reading = query.lstrip().upper().startswith(_READING)
        raise ConfigError(error_line(error) if reading else f"{error_line(error)}; {_ONLY_READING}") from None


def error_line(error: Exception) -> str:
    """Return DuckDB's error message as one line, without its copy of the query."""
    message = re.split(r"\n\s*\n?LINE \d+:", str(error), maxsplit=1)[0]
    return f"the SQL cannot be run: {' '.join(message.split())}"
