"""`/api/columns`: columns that the selected runs have. The page offers them in its column picker and its filter box."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, LiteralString

from starlette.requests import Request
from starlette.responses import Response

from runfolio.board.column_names import filter_name, panel_of
from runfolio.board.query_args import QueryArgs
from runfolio.board.replies import entity_tag, is_current, json_bytes, tagged, unchanged
from runfolio.board.run_selection import SELECTION_ARGS, TIMES, SelectedRuns, plain
from runfolio.board.state import BoardState, board_of
from runfolio.query.filter.sql_text import Sql, sql
from runfolio.query.index.rows import value_of
from runfolio.query.index.tables import BOOLEAN, NULL, NUMBER
from runfolio.record.points.metric_summary import is_system_metric

_COMMONEST = 20
"""Maximum number of values that are listed for a column. The most frequent values come first."""
_MAX_COLUMNS = 5_000
"""Maximum number of columns per group. Columns that occur in the most runs come first."""
_WORDS: tuple[LiteralString, ...] = (
    "name",
    "experiment",
    "state",
    "reason",
    "series",
    "lineage",
    "host",
    "device",
    "commit",
    "notes",
)
"""Names of the columns that describe the run itself as text."""
_KINDS = {NULL: "", NUMBER: "number", BOOLEAN: "boolean"}
"""Names of the kinds of values. All other kinds are strings."""
_SAMPLED = 1_000
"""Number of runs whose values are counted. The newest runs are used."""

Column = dict[str, Any]


async def columns(request: Request) -> Response:
    """Answer `GET /api/columns` with a description of the columns."""
    args = QueryArgs(request, SELECTION_ARGS)
    board = board_of(request)
    tag = entity_tag(board.instance, board.generation, "columns", request.scope["query_string"])
    if is_current(request, tag):
        return unchanged(tag)
    return tagged(tag, await board.in_thread(_answer, board, args))


def _answer(board: BoardState, args: QueryArgs) -> bytes:
    board.wait_for_runs()
    selected = SelectedRuns.of(board, args)
    return selected.once("columns", lambda: _describe(selected))


def _describe(selected: SelectedRuns) -> bytes:
    def read(connection: sqlite3.Connection) -> list[list[Column]]:
        where = selected.condition(connection)
        names = dict(connection.execute("SELECT name_id, name FROM names"))
        (runs,) = connection.execute("SELECT count(*) FROM runs").fetchone()
        # Reading a whole table is four times faster than checking the run of each row.
        of_runs = sql("run IN (SELECT r.run FROM runs r WHERE {})", where) if selected.total < runs else sql("true")
        return [
            [*_facts(connection, where), *_tags(connection, where)],
            _settings(connection, of_runs, names, "params", selected.total),
            _metrics(connection, of_runs, names),
            _settings(connection, of_runs, names, "results", selected.total),
        ]

    groups = selected.board.folio.read_index(read)
    shown = [column for group in groups for column in group[:_MAX_COLUMNS]]
    left_out = sum(max(0, len(group) - _MAX_COLUMNS) for group in groups)
    return json_bytes({"total": selected.total, "columns": shown, "left_out": left_out})


def _facts(connection: sqlite3.Connection, where: Sql) -> Iterator[Column]:
    """Yield the columns that describe the runs themselves, such as name, state and duration."""
    for name in _WORDS:
        values = connection.execute(
            f'SELECT r."{name}", count(*) FROM runs r WHERE {where.text}'  # noqa: S608 - names of our own
            f" AND coalesce(r.\"{name}\", '') <> '' GROUP BY 1 ORDER BY 2 DESC",
            where.parameters,
        ).fetchall()
        if values:
            is_prose = name in ("notes", "name")
            yield _column(name, "run", "text", sum(count for _, count in values), [] if is_prose else values)
    for name in TIMES:
        count, low, high = connection.execute(
            f'SELECT count(r."{name}"), min(r."{name}"), max(r."{name}")'  # noqa: S608 - names of our own
            f" FROM runs r WHERE {where.text}",
            where.parameters,
        ).fetchone()
        if count:
            yield _column(name, "run", "time", count, low=low / 1e6, high=high / 1e6)
    (count,) = connection.execute(f"SELECT count(*) FROM runs r WHERE {where.text}", where.parameters).fetchone()  # noqa: S608
    if count:
        yield _column("duration_s", "run", "number", count)
        yield _column("archived", "run", "boolean", count)


def _tags(connection: sqlite3.Connection, where: Sql) -> list[Column]:
    """Return a column for all tags together, and a column for each tag. Tags of the form `key=value` share one column
    per key."""
    counts = connection.execute(
        "SELECT tag, count(*) FROM tags JOIN runs r ON r.run = tags.run"  # noqa: S608 - the condition has parameters
        f" WHERE {where.text} GROUP BY tag ORDER BY 2 DESC",
        where.parameters,
    ).fetchall()
    if not counts:
        return []
    by_key: defaultdict[str, list[tuple[Any, int]]] = defaultdict(list)
    for tag, count in counts:
        key, sign, value = re.fullmatch(r"([^=:]*)([=:]?)(.*)", tag, re.DOTALL).groups()  # type: ignore[union-attr]
        by_key[key if sign and key else tag].append((value if sign and key else True, count))
    keyed = [
        _column(
            f"tags.{key}",
            "tags",
            "boolean" if all(value is True for value, _ in values) else "text",
            sum(count for _, count in values),
            values,
        )
        for key, values in by_key.items()
    ]
    return [_column("tags", "run", "text", max(count for _, count in counts), counts), *keyed]


def _settings(
    connection: sqlite3.Connection, of_runs: Sql, names: dict[int, str], table: LiteralString, total: int
) -> list[Column]:
    """Return the columns of settings or of results."""
    ranges = connection.execute(
        "SELECT name_id, count(*), group_concat(DISTINCT kind),"  # noqa: S608 - names of our own
        f" min(CASE kind WHEN {NUMBER} THEN number END), max(CASE kind WHEN {NUMBER} THEN number END)"
        f" FROM {table} WHERE {of_runs.text} GROUP BY name_id",
        of_runs.parameters,
    ).fetchall()
    values = _commonest(connection, of_runs, table)
    group = "params" if table == "params" else "summary"
    described = [
        _column(
            f"{group}.{names[name_id]}",
            group,
            _kind_word(kinds),
            runs,
            values[name_id],
            low=_finite(low),
            high=_finite(high),
            varies=runs < total or low != high or len(values[name_id]) > 1,
        )
        for name_id, runs, kinds, low, high in ranges
    ]
    return sorted(described, key=lambda column: -column["runs"])


def _commonest(
    connection: sqlite3.Connection, of_runs: Sql, table: LiteralString
) -> defaultdict[int, list[tuple[Any, int]]]:
    """Return the values of each setting or result, with their counts in the newest runs. Frequent values come first."""
    rows = connection.execute(
        f"SELECT name_id, kind, number, text, count(*) FROM {table}"  # noqa: S608 - names of our own
        f" WHERE run IN (SELECT run FROM runs WHERE {of_runs.text} ORDER BY created DESC LIMIT {_SAMPLED})"
        " GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC",
        of_runs.parameters,
    )
    values: defaultdict[int, list[tuple[Any, int]]] = defaultdict(list)
    for name_id, kind, number, text, count in rows:
        values[name_id].append((value_of(kind, number, text), count))
    return values


def _kind_word(kinds: str) -> str:
    """Return the kind of a column. `kinds` lists the kinds of the column's values, separated by commas."""
    words = {_KINDS.get(int(kind), "text") for kind in kinds.split(",")} - {""}
    return words.pop() if len(words) == 1 else "mixed" if words else "text"


def _metrics(connection: sqlite3.Connection, of_runs: Sql, names: dict[int, str]) -> list[Column]:
    rows = connection.execute(
        "SELECT name_id, count(*), min(min), max(max) FROM metrics"  # noqa: S608 - the condition has parameters
        f" WHERE {of_runs.text} GROUP BY name_id ORDER BY name_id",
        of_runs.parameters,
    )
    described = [
        {
            **_column(names[name_id], "metrics", "number", runs, low=_finite(low), high=_finite(high), varies=True),
            **panel_of(names[name_id]),
        }
        for name_id, runs, low, high in rows
        if not is_system_metric(names[name_id])
    ]
    return sorted(described, key=lambda column: -column["runs"])


def _column(
    name: str,
    group: str,
    kind: str,
    runs: int,
    values: Iterable[tuple[Any, int]] = (),
    *,
    low: float | None = None,
    high: float | None = None,
    varies: bool | None = None,
) -> Column:
    counts = list(values)
    return {
        "name": name,
        "filter": filter_name(name, group),
        "heading": name.partition(".")[2] if group in ("params", "summary", "tags") else name,
        "group": group,
        "kind": kind,
        "runs": runs,
        "varies": len(counts) != 1 if varies is None else varies,
        "low": low,
        "high": high,
        "values": [(plain(value), count) for value, count in counts[:_COMMONEST]],
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and value - value == 0 else None
