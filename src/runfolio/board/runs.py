"""`/api/runs`: one page of the table of runs, or of groups of runs, with a sentence about the leading run."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from runfolio.board.default_columns import default_columns
from runfolio.board.query_args import QueryArgs, key_text
from runfolio.board.replies import entity_tag, is_current, json_bytes, tagged, unchanged
from runfolio.board.run_groups import group_page
from runfolio.board.run_ranking import RankedFigure, Ranking, figures_of, rank_runs
from runfolio.board.run_selection import SELECTION_ARGS, SelectedRuns, TableColumn, plain, seconds
from runfolio.board.state import BoardState, board_of
from runfolio.query.filter.sql_order import NEWEST_FIRST

if TYPE_CHECKING:
    from runfolio.query.store import Runs

_PAGE, _LARGEST_PAGE = 100, 500
_MAX_COLUMNS = 200
_BY_RANK = ("rank", "value", "")
"""Values of the parameter `sort` that select the order of the ranking."""


async def runs(request: Request) -> Response:
    """Answer `GET /api/runs` with a page of the table."""
    args = QueryArgs(request, (*SELECTION_ARGS, "sort", "columns", "group", "metric", "mode", "offset", "limit"))
    board = board_of(request)
    tag = entity_tag(board.instance, board.generation, board.is_scanned, request.scope["query_string"])
    if is_current(request, tag):
        return unchanged(tag)
    return tagged(tag, await board.in_thread(_answer, board, args))


def _answer(board: BoardState, args: QueryArgs) -> bytes:
    board.wait_for_runs()
    generation, is_scanned = board.generation, board.is_scanned
    selected = SelectedRuns.of(board, args)
    offset, limit = args.integer("offset", 0, 0, 10**9), args.integer("limit", _PAGE, 0, _LARGEST_PAGE)
    answer: dict[str, Any] = {
        "generation": generation,
        "stale": not is_scanned,
        "total": selected.total,
        "offset": offset,
    }
    if limit == 0:  # only the number of runs is needed
        return json_bytes(answer)
    ranking = rank_runs(selected, args.text("metric"), args.choice("mode", ("", "min", "max"), "") or None)
    answer |= {
        "metric": ranking.metric,
        "mode": ranking.mode,
        "heading": ranking.heading,
        "sentence": ranking.sentence,
        "notes": ranking.notes,
    }
    if group_by := args.text("group"):
        return json_bytes(answer | group_page(selected, ranking, group_by, offset, limit))
    page = RunPage(selected, ranking, args.text("sort", "") or "", offset, limit)
    names = args.names("columns", _MAX_COLUMNS) if "columns" in args else default_columns(selected)
    return json_bytes(answer | page.content(names))


@dataclass(frozen=True)
class RunPage:
    """Page of the table of runs."""

    selected: SelectedRuns
    ranking: Ranking
    sort: str
    """Column to sort by, with a leading `-` for descending order. An empty string means the order of the ranking."""
    offset: int
    limit: int

    def content(self, columns: Sequence[str]) -> dict[str, Any]:
        """Return the part of the answer that describes the runs on the page.

        Raises:
            NotFound: A column does not exist.
        """
        ranking, runs = self.ranking, self._runs()
        figures = figures_of(ranking, runs)
        shown = [self.selected.column(name, ranking.metric, ranking.mode) for name in columns]
        values = [[plain(value) for value in column.values(runs)] for column in shown]
        best = ranking.best
        return {
            "band": (best.low, best.high) if best and best.low is not None else None,
            "axis": _range([*ranking.rows.values(), *figures, *([best] if best else [])]),
            "keys": [key_text(run.row.key) for run in runs],
            "fields": _fields(self.selected.board, runs, figures),
            "columns": [
                {
                    "name": column.name,
                    "heading": column.heading,
                    "kind": _kind(column, column_values),
                }
                for column, column_values in zip(shown, values, strict=True)
            ],
            "values": values,
            "sparks": _sparks(runs, ranking.metric),
        }

    def _runs(self) -> Runs:
        """Return the runs on the page, in the requested order."""
        selected, ranking = self.selected, self.ranking
        name, descending = self.sort.removeprefix("-"), self.sort.startswith("-")
        if name in _BY_RANK and ranking.keys is not None:
            keys = ranking.keys[::-1] if descending else ranking.keys
            return selected.board.runs(keys[self.offset : self.offset + self.limit])
        order = NEWEST_FIRST
        if name not in _BY_RANK:
            column = selected.column(name, ranking.metric, ranking.mode).column
            order = selected.order_by(column, descending=descending)
        elif ranking.metric is not None and ranking.mode is not None:
            order = selected.order_by_figure(ranking.metric, ranking.mode, worst_first=descending)
        return selected.runs(order, limit=self.limit, offset=self.offset)


def _fields(board: BoardState, runs: Runs, figures: Sequence[RankedFigure]) -> dict[str, list[Any]]:
    """Return the properties of the runs on a page, with one list per property."""
    rows = [run.row for run in runs]
    progress = [board.progress_of(row.key) for row in rows]
    return {
        "id": [row.id for row in rows],
        "name": [row.name for row in rows],
        "label": [figure.label for figure in figures],
        "state": [row.state for row in rows],
        "reason": [row.reason for row in rows],
        "ended_text": [run.ending for run in runs],
        "ended": [seconds(row.ended) for row in rows],
        "experiment": [row.experiment for row in rows],
        "created": [seconds(row.created) for row in rows],
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


def _kind(column: TableColumn, values: Iterable[Any]) -> str:
    """Return the kind of a column's values: `number`, `text`, `boolean`, `time` or `mixed`."""
    if column.is_time:
        return "time"
    kinds = {
        "boolean" if isinstance(value, bool) else "number" if isinstance(value, (int, float)) else "text"
        for value in values
        if value is not None and value not in ("NaN", "Infinity", "-Infinity")
    }
    return kinds.pop() if len(kinds) == 1 else "mixed" if kinds else "number"


def _range(figures: Iterable[Any]) -> tuple[float, float] | None:
    """Return the range that contains all values and intervals, or None if there is no value."""
    numbers = [number for figure in figures for number in (figure.low, figure.value, figure.high) if number is not None]
    return (min(numbers), max(numbers)) if numbers else None


def _sparks(runs: Runs, metric: str | None) -> list[str | None]:
    outlines = runs.sparklines(metric.removeprefix("metrics.")) if metric else [None] * len(runs)
    return [None if outline is None else base64.b64encode(outline).decode() for outline in outlines]
