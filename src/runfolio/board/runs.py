"""`/api/runs`: one page of the table of runs, or of groups of runs, with the sentence that says which run leads."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from runfolio.board.query_args import QueryArgs, key_text
from runfolio.board.replies import entity_tag, is_current, json_bytes, tagged, unchanged
from runfolio.board.state import BoardState, board_of

if TYPE_CHECKING:
    from runfolio.board.run_ranking import RankedFigure, Ranking
    from runfolio.board.run_selection import TableColumn
    from runfolio.query.filter.select import Selection
    from runfolio.query.index.run_columns import RunRow
    from runfolio.query.index.tables import Catalog
    from runfolio.query.store import Runs

_PAGE, _LARGEST_PAGE = 100, 500
_ARGS = ("experiment", "where", "archived", "sort", "columns", "group", "metric", "mode", "offset", "limit")
_DEFAULT_SETTINGS = 6
"""Maximum number of settings among the default columns."""
_DEFAULT_RESULTS = ("parameters", "epoch_seconds")
"""Results that are default columns if they were recorded."""
_BY_RANK = ("rank", "value", "")


async def runs(request: Request) -> Response:
    """Answer `GET /api/runs`."""
    args = QueryArgs(request, _ARGS)
    board = board_of(request)
    tag = entity_tag(board.instance, board.generation, board.is_scanned, request.scope["query_string"])
    if is_current(request, tag):
        return unchanged(tag)
    return tagged(tag, await board.in_thread(_answer, board, args))


def _answer(board: BoardState, args: QueryArgs) -> bytes:
    # Imported here, since these modules take longer to load than the first answer of the server may take.
    from runfolio.board.run_groups import group_page
    from runfolio.board.run_ranking import rank_runs
    from runfolio.board.run_selection import count_runs, read_names, selection_of

    board.wait_for_runs()
    generation = board.generation
    selection = selection_of(args)
    catalog = read_names(board, selection.experiment)
    total = count_runs(board, selection, catalog)
    mode = args.choice("mode", ("", "min", "max"), "") or None
    ranking = rank_runs(board, selection, catalog, total, args.text("metric"), mode)
    offset, limit = args.integer("offset", 0, 0, 10**9), args.integer("limit", _PAGE, 0, _LARGEST_PAGE)
    group_by = args.text("group")
    page = (
        _run_page(board, args, selection, catalog, ranking, total, offset, limit)
        if group_by is None
        else group_page(board, selection, catalog, ranking, group_by, offset, limit)
    )
    return json_bytes(
        {
            "generation": generation,
            "stale": not board.is_scanned,
            "total": total,
            "offset": offset,
            "metric": ranking.metric,
            "mode": ranking.mode,
            "heading": ranking.heading,
            "sentence": ranking.sentence,
            "notes": ranking.notes,
            **page,
        }
    )


def _run_page(
    board: BoardState,
    args: QueryArgs,
    selection: Selection,
    catalog: Catalog,
    ranking: Ranking,
    total: int,
    offset: int,
    limit: int,
) -> dict[str, Any]:
    from runfolio.board.run_ranking import figures_of

    rows = _rows(board, args.text("sort", "") or "", selection, catalog, ranking, offset, limit)
    runs = board.folio.runs_of(rows)
    figures = figures_of(ranking, runs)
    columns = _columns(board, args, selection, catalog, ranking)
    return {
        "band": _interval(ranking.best),
        "axis": axis(_all_figures(ranking, figures)),
        "keys": [key_text(row.key) for row in rows],
        "fields": _fields(board, runs, rows, figures),
        "columns": [
            {"name": column.name, "heading": column.heading, "kind": column_kind(values)}
            for column, values in columns_of(columns, runs, rows)
        ],
        "values": [values for _, values in columns_of(columns, runs, rows)],
        "sparks": _sparks(runs, ranking.metric),
    }


def _rows(
    board: BoardState,
    sort: str,
    selection: Selection,
    catalog: Catalog,
    ranking: Ranking,
    offset: int,
    limit: int,
) -> Sequence[RunRow]:
    """Return the rows of the page, in the order that the request asks for."""
    from runfolio.board.run_selection import find_table_column, order_by, order_by_figure, read_rows
    from runfolio.query.filter.sql_order import NEWEST_FIRST

    name, descending = sort.removeprefix("-"), sort.startswith("-")
    if name in _BY_RANK and ranking.keys is not None:
        keys = ranking.keys[::-1] if descending else ranking.keys
        return [run.row for run in board.runs(keys[offset : offset + limit])]
    if name in _BY_RANK and ranking.metric is not None and ranking.mode is not None:
        order = order_by_figure(ranking.metric, ranking.mode, catalog)
    elif name in _BY_RANK:
        order = NEWEST_FIRST
    else:
        column = find_table_column(name, catalog, ranking.metric, ranking.mode)
        order = order_by(column.column, catalog, descending=descending)
    return read_rows(board, selection, catalog, order, limit=limit, offset=offset)


def _columns(
    board: BoardState, args: QueryArgs, selection: Selection, catalog: Catalog, ranking: Ranking
) -> list[TableColumn]:
    from runfolio.board.run_selection import find_table_column

    names = args.names("columns", 200) if "columns" in args else _default_columns(board, selection, catalog)
    return [find_table_column(name, catalog, ranking.metric, ranking.mode) for name in names]


def _default_columns(board: BoardState, selection: Selection, catalog: Catalog) -> list[str]:
    """Return the settings that vary, those of most runs first, and the usual results."""
    from runfolio.board.picker import varying_settings

    results = [f"summary.{name}" for name in _DEFAULT_RESULTS if name in catalog.results]
    return [*varying_settings(board, selection, catalog)[:_DEFAULT_SETTINGS], *results]


def _fields(
    board: BoardState, runs: Runs, rows: Sequence[RunRow], figures: Sequence[RankedFigure]
) -> dict[str, list[Any]]:
    progress = [board.progress_of(row.key) for row in rows]
    return {
        "id": [row.id for row in rows],
        "name": [row.name for row in rows],
        "label": [figure.label for figure in figures],
        "state": [row.state for row in rows],
        "reason": [row.reason for row in rows],
        "ended_text": [run.ending for run in runs],
        "ended": [None if row.ended is None else row.ended / 1e6 for row in rows],
        "experiment": [row.experiment for row in rows],
        "created": [row.created / 1e6 for row in rows],
        "duration_s": [run.duration_s for run in runs],
        "progress": [entry["progress"] for entry in progress],
        "seconds_left": [entry["seconds_left"] for entry in progress],
        "tags": [orjson.loads(row.tags) for row in rows],
        "notes": [row.notes for row in rows],
        "archived": [bool(row.archived) for row in rows],
        "lineage": [row.lineage for row in rows],
        "series": [row.series for row in rows],
        "rank": [figure.rank for figure in figures],
        "value": [figure.value for figure in figures],
        "value_step": [figure.step for figure in figures],
        "low": [figure.low for figure in figures],
        "high": [figure.high for figure in figures],
        "images": [figure.images for figure in figures],
        "mark": [figure.mark for figure in figures],
        "data": [figure.data for figure in figures],
    }


def columns_of(
    columns: Sequence[TableColumn], runs: Runs, rows: Sequence[RunRow]
) -> list[tuple[TableColumn, list[Any]]]:
    """Return the values of each column for the runs of a page."""
    from runfolio.board.run_selection import plain

    return [(column, [plain(value) for value in column.values(runs, rows)]) for column in columns]


def column_kind(values: Iterable[Any]) -> str:
    """Return the kind of a column's values: `number`, `text`, `boolean` or `mixed`."""
    kinds = {
        "boolean" if isinstance(value, bool) else "number" if isinstance(value, (int, float)) else "text"
        for value in values
        if value is not None and value not in ("NaN", "Infinity", "-Infinity")
    }
    return kinds.pop() if len(kinds) == 1 else "mixed" if kinds else "number"


def _all_figures(ranking: Ranking, figures: Sequence[RankedFigure]) -> Iterable[Any]:
    """Return everything whose interval must fit on the axis: all compared runs, or else the page and the best run."""
    return ranking.rows.values() if ranking.rows else [*figures, *([ranking.best] if ranking.best else [])]


def axis(figures: Iterable[Any]) -> tuple[float, float] | None:
    """Return the range of values and intervals; None if there is no value."""
    numbers = [
        number
        for figure in figures
        for number in (figure.low, figure.value, figure.high)
        if number is not None and number - number == 0
    ]
    return (min(numbers), max(numbers)) if numbers else None


def _interval(figure: RankedFigure | None) -> tuple[float, float] | None:
    return None if figure is None or figure.low is None or figure.high is None else (figure.low, figure.high)


def _sparks(runs: Runs, metric: str | None) -> list[str | None]:
    if metric is None:
        return [None] * len(runs)
    outlines = runs.sparklines(metric.removeprefix("metrics."))
    return [None if outline is None else base64.b64encode(outline).decode() for outline in outlines]
