"""SQL expressions that differ between databases."""

from __future__ import annotations

import re
import sqlite3
from functools import lru_cache
from typing import Protocol

from runfolio.query.filter.sql_text import Sql, bound, sql
from runfolio.query.filter.times import time_of_text


class Dialect(Protocol):
    """SQL of one kind of database. All expressions refer to a row `r` of the table `runs`."""

    def like(self, text: Sql, pattern: str, *, ignores_case: bool) -> Sql:
        """Return SQL that tests if a string matches a pattern (see `tree.Like`). The result is NULL if the string is
        NULL."""
        ...

    def time(self, text: Sql) -> Sql:
        """Return SQL that converts an ISO 8601 string to microseconds since 1970 UTC. The result is NULL if the string
        is not a time."""
        ...

    def tags(self) -> Sql:
        """Return SQL for the tags as one string, such as `baseline, team=vision`. The result is NULL if the run has no
        tags."""
        ...

    def tag(self, name: str) -> Sql:
        """Return SQL for the first tag that equals `name` or begins with `name=` or `name:`. The result is NULL if the
        run has no such tag."""
        ...

    def ordered(self, value: Sql, *, descending: bool) -> Sql:
        """Return a term for ORDER BY. Numbers come before strings, or after strings if `descending`. NULL always comes
        last."""
        ...

    def once(self, query: Sql) -> Sql:
        """Return a query that computes its columns once per row, even if the outer query uses them repeatedly."""
        ...


class Sqlite:
    """SQL of SQLite. LIKE of SQLite ignores case only for ASCII letters, so Python functions match the strings."""

    def prepare(self, connection: sqlite3.Connection) -> None:
        """Register the Python functions that the expressions call."""
        connection.create_function("runfolio_like", 3, _is_like, deterministic=True)
        connection.create_function("runfolio_time", 1, time_of_text, deterministic=True)

    def like(self, text: Sql, pattern: str, *, ignores_case: bool) -> Sql:
        return sql("runfolio_like({}, {}, {})", text, bound(pattern), bound(ignores_case))

    def time(self, text: Sql) -> Sql:
        return sql("runfolio_time({})", text)

    def tags(self) -> Sql:
        return sql("(SELECT nullif(group_concat(value, ', '), '') FROM json_each(r.tags))")

    def tag(self, name: str) -> Sql:
        is_tag = sql("value = {} OR substr(value, 1, {}) IN ({}, {})", *_spellings(name))
        return sql("(SELECT value FROM json_each(r.tags) WHERE {} ORDER BY key LIMIT 1)", is_tag)

    def ordered(self, value: Sql, *, descending: bool) -> Sql:
        # SQLite sorts NULL first, then numbers, then texts, and then blobs.
        return sql("{} DESC", value) if descending else sql("coalesce({}, x'')", value)

    def once(self, query: Sql) -> Sql:
        return sql("{} LIMIT -1", query)  # a query with a limit is not merged into the outer query


SQLITE = Sqlite()


def _spellings(name: str) -> tuple[Sql, ...]:
    return bound(name), bound(len(name) + 1), bound(f"{name}="), bound(f"{name}:")


def _is_like(text: str | None, pattern: str, ignores_case: int) -> bool | None:
    return None if text is None else _expression(pattern, ignores_case).fullmatch(text) is not None


@lru_cache(maxsize=256)
def _expression(pattern: str, ignores_case: int) -> re.Pattern[str]:
    """Return a regular expression for a pattern. Parts of the pattern are matched atomically, so no part is searched
    for twice."""
    parts = [""]
    for character in re.findall(r"\\.|.", pattern, re.DOTALL):
        if character == "%":
            parts.append("")
        else:
            parts[-1] += "." if character == "_" else re.escape(character[-1])
    first, *others = parts
    inner = "".join(f"(?>.*?{part})" for part in others[:-1] if part)
    last = f".*{others[-1]}" if others else ""
    return re.compile(f"{first}{inner}{last}", re.DOTALL | (re.IGNORECASE if ignores_case else 0))
