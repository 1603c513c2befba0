"""`/api/curves`: curves of runs and means of groups, as binary columns (`docs/board-api.md`)."""

from __future__ import annotations

from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from runfolio.board.branches import BranchReader
from runfolio.board.columns import MEDIA_TYPE, Columns
from runfolio.board.curve_query import LINE_ARGS, CurveQuery
from runfolio.board.line_cursors import cursors_of, points_after
from runfolio.board.panel_lines import PanelCurves, PanelLine, new_points, panel_lines, read_curves, readable_runs
from runfolio.board.query_args import QueryArgs, key_text
from runfolio.board.replies import RefusedRequest, entity_tag, is_current, tagged, unchanged
from runfolio.board.state import BoardState, board_of
from runfolio.record.base.plurals import counted

_CACHE_BYTES = 20_000_000
_MAX_NEW_POINTS = 200_000
"""Maximum number of new points in an answer. A client that needs more new points must read thinned lines instead."""
_COLUMNS = ("x", "y", "raw", "low", "high", "count")


async def curves(request: Request) -> Response:
    """Answer `GET /api/curves` with lines as binary columns."""
    return await board_of(request).in_heavy_thread(_answer, request)


def branch_reader(board: BoardState) -> BranchReader:
    """Return the reader of curves that all requests share."""
    return board.shared("branch reader", lambda: BranchReader(_CACHE_BYTES))


def _answer(request: Request) -> Response:
    board = board_of(request)
    args = QueryArgs(request, (*LINE_ARGS, "after"))
    query = CurveQuery.of(args)
    generation = board.generation
    selected, notes = query.runs(board)
    runs, signatures = readable_runs(selected)
    tag = entity_tag(board.instance, request.scope["query_string"], *signatures.items(), *notes)
    if is_current(request, tag):
        return unchanged(tag)
    reader = branch_reader(board)
    panel = read_curves(runs, signatures, query.options, reader)
    columns = Columns()
    if "after" in args:
        part = _new_points(args, query, panel, columns)
    else:
        lines, line_notes = panel_lines(panel, query.options)
        part = {
            "notes": [*notes, *panel.notes, *line_notes],
            "reset": False,
            "lines": [_described(line, columns) for line in lines],
        }
    cursors = cursors_of(panel.by_run, query.options.metrics)
    head = {
        "v": 1,
        "generation": generation,
        "x": panel.x,
        "unit": "s" if panel.x == "time" else None,
        "cursors": {key_text(key): cursor for key, cursor in cursors.items()},
        **part,
    }
    response = tagged(tag, columns.encode(head), MEDIA_TYPE)
    response.background = BackgroundTask(reader.release_memory)  # runs after the answer is sent
    return response


def _new_points(args: QueryArgs, query: CurveQuery, panel: PanelCurves, columns: Columns) -> dict[str, Any]:
    """Return the fields of the answer's head that describe the points logged since the client's last request."""
    keys, cursors = query.keys or [], (args.text("after", "") or "").split(",")
    if len(keys) != len(cursors):
        raise RefusedRequest(
            400,
            f"after has {counted(len(cursors), 'cursor')}, but runs has {len(keys)}",
            "give one cursor per run",
        )
    options = query.options
    counts = {
        key: points_after(cursor, panel.by_run.get(key, {}), options.metrics)
        for key, cursor in zip(keys, cursors, strict=True)
    }
    known = {key: by_metric for key, by_metric in counts.items() if by_metric is not None}
    new = sum(len(panel.by_run[key][metric].newest.x) - count for key in known for metric, count in known[key].items())
    if len(known) < len(counts) or new > _MAX_NEW_POINTS or options.view.smooth or options.group_by:
        return {"notes": [], "reset": True, "lines": []}
    lines = new_points(panel, known, options.view)
    return {"notes": panel.notes, "reset": False, "lines": [_described(line, columns) for line in lines]}


def _described(drawn: PanelLine, columns: Columns) -> dict[str, Any]:
    """Add the columns of a line to the answer, and return a description of the line."""
    line = drawn.line
    arrays = {name: getattr(line, name) for name in _COLUMNS}
    return {
        "run": None if drawn.is_group else key_text(drawn.keys[0]),
        "group": drawn.label if drawn.is_group else None,
        "members": [key_text(key) for key in drawn.keys],
        "label": drawn.label,
        "metric": drawn.metric,
        "attempt": drawn.attempt,
        "abandoned": drawn.is_abandoned,
        "parent": None if drawn.parent is None else key_text(drawn.parent),
        "total": line.total,
        "within": line.within,
        "shown": line.shown,
        "n": len(line.x),
        **{name: None if array is None else columns.add(array) for name, array in arrays.items()},
        "pale": line.is_raw_drawn,
        "broken": line.broken,
        "resumes": line.resumes,
    }
