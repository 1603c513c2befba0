"""`/api/columns`: columns that the runs have, for the picker of columns and for completion in the filter box."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, LiteralString

from starlette.requests import Request
from starlette.responses import Response

from runfolio.board.query_args import QueryArgs
from runfolio.board.replies import entity_tag, is_current, json_bytes, tagged, unchanged
from runfolio.board.run_selection import SELECTION_ARGS, SelectedRuns, plain
from runfolio.board.state import BoardState, board_of
from runfolio.query.filter.sql_text import Sql
from runfolio.query.index.rows import value_of
from runfolio.query.index.tables import BOOLEAN, NULL, NUMBER
from runfolio.query.selection.metric_names import guess_mode, split_of
from runfolio.record.points.metric_summary import AXES, is_system_metric

_COMMONEST = 20
"""Maximum number of values that a column lists, the commonest first."""
_MAX_COLUMNS = 5_000
"""Maximum number of columns per group; the columns of most runs come first."""
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
"""Facts of a run that are strings."""
_TIMES: tuple[LiteralString, ...] = ("created", "ended")
_NAME = re.compile(r"[^\W\d](?:[\w@:/-]*\w)?")
"""Part of a name that a filter accepts without quotes."""
_SPLIT_WORDS = frozenset(["train", "training", "val", "valid", "validation", "dev", "test", "testing", "holdout"])

Column = dict[str, Any]


async def columns(request: Request) -> Response:
    """Answer `GET /api/columns`."""
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
        return [
            [*_facts(connection, where), *_tags(connection, where)],
            _settings(connection, where, names, "params", selected.total),
            _metrics(connection, where, names),
            _settings(connection, where, names, "results", selected.total),
        ]

    groups = selected.board.folio.read_index(read)
    shown = [column for group in groups for column in group[:_MAX_COLUMNS]]
    left_out = sum(max(0, len(group) - _MAX_COLUMNS) for group in groups)
    return json_bytes({"total": selected.total, "columns": shown, "left_out": left_out})


def _facts(connection: sqlite3.Connection, where: Sql) -> Iterator[Column]:
    """Yield the columns with facts about the runs themselves."""
    for name in _WORDS:
        values = connection.execute(
            f'SELECT r."{name}", count(*) FROM runs r WHERE {where.text}'  # noqa: S608 - names of our own
            f" AND coalesce(r.\"{name}\", '') <> '' GROUP BY 1 ORDER BY 2 DESC",
            where.parameters,
        ).fetchall()
        if values:
            is_prose = name in ("notes", "name")
            yield _column(name, "run", "text", sum(count for _, count in values), [] if is_prose else values)
    for name in _TIMES:
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
    """Return a column for all tags together, and one for each tag. A tag `key=value` is a column with values."""
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
    connection: sqlite3.Connection, where: Sql, names: dict[int, str], table: LiteralString, total: int
) -> list[Column]:
    """Return the columns of settings or of results."""
    rows = connection.execute(
        f"SELECT name_id, kind, number, text, count(*) FROM {table}"  # noqa: S608 - names of our own
        f" WHERE run IN (SELECT r.run FROM runs r WHERE {where.text}) GROUP BY 1, 2, 3, 4",
        where.parameters,
    )
    values: defaultdict[int, list[tuple[int, Any, int]]] = defaultdict(list)
    for name_id, kind, number, text, count in rows:
        values[name_id].append((kind, value_of(kind, number, text), count))
    group = "params" if table == "params" else "summary"
    described = [_setting(f"{group}.{names[name_id]}", group, entries, total) for name_id, entries in values.items()]
    return sorted(described, key=lambda column: -column["runs"])


def _setting(name: str, group: str, entries: Sequence[tuple[int, Any, int]], total: int) -> Column:
    words = {NUMBER: "number", BOOLEAN: "boolean"}
    kinds = {words.get(kind, "text") for kind, _, _ in entries if kind != NULL}
    numbers = [value for kind, value, _ in entries if kind == NUMBER and value - value == 0]
    runs = sum(count for _, _, count in entries)
    counts = sorted(((value, count) for _, value, count in entries), key=lambda pair: -pair[1])
    return _column(
        name,
        group,
        kinds.pop() if len(kinds) == 1 else "mixed" if kinds else "text",
        runs,
        counts,
        low=float(min(numbers)) if numbers else None,
        high=float(max(numbers)) if numbers else None,
        varies=len(entries) > 1 or runs < total,
    )


def _metrics(connection: sqlite3.Connection, where: Sql, names: dict[int, str]) -> list[Column]:
    rows = connection.execute(
        "SELECT name_id, count(*), min(min), max(max) FROM metrics"  # noqa: S608 - the condition has parameters
        f" WHERE run IN (SELECT r.run FROM runs r WHERE {where.text}) GROUP BY name_id ORDER BY name_id",
        where.parameters,
    )
    described = []
    for name_id, runs, low, high in rows:
        name = names[name_id]
        if is_system_metric(name):
            continue
        column = _column(name, "metrics", "number", runs, low=_finite(low), high=_finite(high), varies=True)
        split, quantity = split_and_quantity(name)
        prefix = quantity.partition("/")[0] if "/" in quantity else ""
        is_axis = name in AXES
        described.append(
            {
                **column,
                "quantity": None if is_axis else quantity,
                "split": split,
                "prefix": prefix,
                "mode": guess_mode(name),
            }
        )
    return sorted(described, key=lambda column: -column["runs"])


def split_and_quantity(metric: str) -> tuple[str | None, str]:
    """Return the data split in the name of a metric, and the name without it: `val/acc` is `acc` on `validation`.

    Metrics with the same quantity share a panel.
    """
    split = split_of(metric)
    if split == "unknown":
        return None, metric
    pieces = re.split(r"([/_. -]+)", metric)
    words = [index for index in range(0, len(pieces), 2) if pieces[index].lower() in _SPLIT_WORDS]
    if not words:
        return split, metric
    index = words[0]
    without = pieces[:index] + pieces[index + 2 :] if index + 1 < len(pieces) else pieces[: max(0, index - 1)]
    return split, "".join(without) or metric


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


def filter_name(name: str, group: str) -> str:
    """Return a column's name as a filter spells it, with quotes if it needs them."""
    kind, _, rest = name.partition(".") if group in ("params", "summary", "tags") else ("", "", name)
    if _NAME.fullmatch(rest) is None:
        kind = kind or ("metrics" if group == "metrics" else "")
        rest = f'"{rest.replace(chr(34), chr(34) * 2)}"'
    return f"{kind}.{rest}" if kind else rest


def _finite(value: float | None) -> float | None:
    return value if value is not None and value - value == 0 else None
