"""`/api/figure.*`: the lines of a panel as a figure, as CSV, or as the command that draws them. A panel is a chart on
the page."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from runfolio.board.curve_query import LINE_ARGS, CurveQuery
from runfolio.board.curves import branch_reader
from runfolio.board.figure_process import Drawing, draw
from runfolio.board.line_values import values_csv
from runfolio.board.panel_lines import PanelCurves, PanelLine, panel_lines, read_curves, readable_runs
from runfolio.board.plot_command import plot_command
from runfolio.board.query_args import QueryArgs
from runfolio.board.replies import RefusedRequest
from runfolio.board.seen_panel import seen_panel, y_limits
from runfolio.board.state import BoardState, board_of
from runfolio.errors import MissingExtra
from runfolio.query.selection.metric_names import split_and_quantity

_FIGURE_ARGS = ("colours", "ylim", "width", "height", "title")
_FIGURE_POINTS, _VALUES = 100_000, 200_000
"""Approximate maximum numbers of points in a figure and of rows in a CSV file. Longer curves are thinned."""
_MEDIA_TYPES = {"svg": "image/svg+xml", "pdf": "application/pdf", "png": "image/png"}
_CSV, _TEXT = "text/csv; charset=utf-8", "text/plain; charset=utf-8"
_NAME_LENGTH = 80
"""Maximum number of characters of a file name, without its ending."""
_SIZE = (760, 420)
"""Default width and height in CSS pixels."""
_PIXELS_PER_INCH = 96


class SeenLines(NamedTuple):
    """Lines that a panel shows, and the query that selected them."""

    query: CurveQuery
    curves: PanelCurves
    lines: list[PanelLine]
    notes: list[str]


async def figure(request: Request) -> Response:
    """Answer `GET /api/figure.ENDING`. The ending selects a figure, CSV, or a command."""
    answer = _ANSWERS.get(request.path_params["ending"])
    if answer is None:
        raise RefusedRequest(404, "there is no such figure", allowed=[f"figure.{ending}" for ending in _ANSWERS])
    return await board_of(request).in_heavy_thread(answer, request)


def _picture(request: Request) -> Response:
    """Return the figure that a child process draws with matplotlib."""
    ending = request.path_params["ending"]
    args = _args(request)
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtra("matplotlib", "plot", "drawing a figure")
    width, height = (
        args.integer(name, default, 200, 4_000) for name, default in zip(("width", "height"), _SIZE, strict=True)
    )
    seen = _seen(board_of(request), CurveQuery.of(args), max_points=_FIGURE_POINTS)
    panel = seen_panel(seen.curves, seen.lines, seen.notes, seen.query.options, _colours(args))
    drawing = Drawing(
        file_format=ending,
        log=seen.query.options.view.log,
        title=args.text("title"),
        size=(width / _PIXELS_PER_INCH, height / _PIXELS_PER_INCH),
        y_range=y_limits(panel, *_limits(args)),
    )
    return _download(draw(panel, drawing), _MEDIA_TYPES[ending], f"{_name(seen)}.{ending}")


def _values(request: Request) -> Response:
    """Return the visible points as CSV."""
    query = CurveQuery.of(_args(request))
    view = replace(query.options.view, columns=_VALUES)  # all points, unless there are too many
    query = replace(query, options=replace(query.options, view=view))
    seen = _seen(board_of(request), query, max_points=_VALUES)
    return _download(values_csv(seen.curves, seen.lines, seen.query.options), _CSV, f"{_name(seen)}.csv")


def _command(request: Request) -> Response:
    """Return the command that draws the same figure."""
    args = _args(request)
    seen = _seen(board_of(request), CurveQuery.of(args), max_points=_FIGURE_POINTS)
    panel = seen_panel(seen.curves, seen.lines, seen.notes, seen.query.options, _colours(args))
    limits = y_limits(panel, *_limits(args))
    command = plot_command(board_of(request).store, seen.query, seen.curves.runs, seen.curves.x, limits)
    return Response(f"{command}\n", media_type=_TEXT, headers={"Cache-Control": "no-cache"})


_ANSWERS: dict[str, Callable[[Request], Response]] = {
    **dict.fromkeys(_MEDIA_TYPES, _picture),
    "csv": _values,
    "txt": _command,
}


def _args(request: Request) -> QueryArgs:
    return QueryArgs(request, (*LINE_ARGS, *_FIGURE_ARGS))


def _seen(board: BoardState, query: CurveQuery, **bounds: int) -> SeenLines:
    selected, notes = query.runs(board)
    runs, signatures = readable_runs(selected)
    curves = read_curves(runs, signatures, query.options, branch_reader(board))
    lines, line_notes = panel_lines(curves, query.options, **bounds)
    return SeenLines(query, curves, lines, [*notes, *curves.notes, *line_notes])


def _colours(args: QueryArgs) -> list[int]:
    """Return the colour index of each run or group, in the order of the lines. -1 means grey."""
    colours = args.names("colours")
    if not all(re.fullmatch(r"-1|[0-9]{1,6}", colour) for colour in colours):
        raise RefusedRequest(400, "colours must be integers of at least -1, separated by commas")
    return [int(colour) for colour in colours]


def _limits(args: QueryArgs) -> tuple[float | None, float | None]:
    """Return the limits of the y axis. A limit is None if the request does not contain it."""
    if "ylim" not in args:
        return None, None
    low, high = args.pair("ylim")
    if low is not None and high is not None and low >= high:
        raise RefusedRequest(400, f"the limits of ylim are {low:g} and {high:g}", "give the lower limit first")
    return low, high


def _name(seen: SeenLines) -> str:
    """Return the experiment and the quantities of the lines, as in `digits-loss`, for the name of a file."""
    experiments = {run.experiment for run in seen.curves.runs}
    quantities = dict.fromkeys(split_and_quantity(metric)[1] for metric in seen.query.options.metrics)
    name = "-".join([*(experiments if len(experiments) == 1 else ()), *quantities])
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:_NAME_LENGTH] or "curves"


def _download(content: bytes, media_type: str, name: str) -> Response:
    headers = {"Cache-Control": "no-cache", "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)
