"""Table of all routes."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from runfolio.board import live, replies, runs, store_info, tickets
from runfolio.board.guard import Access, Guard
from runfolio.board.state import BoardState
from runfolio.board.web_files import WebFiles
from runfolio.errors import RunfolioError

PAGES = ("/", "/all", "/e/{name:path}", "/r/{key}", "/trash")
"""Addresses of pages. All have the same document, and the web app shows the page."""


def create_app(board: BoardState, access: Access) -> ASGIApp:
    """Return the application of a board."""
    application = Starlette(
        routes=routes(),
        exception_handlers={
            replies.Refusal: replies.refused,
            RunfolioError: replies.failed,
            HTTPException: replies.unknown,
            Exception: replies.broken,
        },
    )
    application.router.redirect_slashes = False
    application.state.board = board
    application.state.access = access
    application.state.web = WebFiles(board.store)
    return Guard(application, access)


def routes() -> list[BaseRoute]:
    """Return all routes."""
    return [
        *(Route(path, page) for path in PAGES),
        Route("/web/{digest}/{name:path}", web_file),
        Route("/api/store", store_info.store),
        Route("/api/runs", runs.runs),
        Route("/api/live", live.live),
        Route("/api/ticket", tickets.ticket),
    ]


async def page(request: Request) -> Response:
    """Answer `GET` of any page."""
    return request.app.state.web.shell(request)


async def web_file(request: Request) -> Response:
    """Answer `GET /web/HASH/FILE`."""
    return request.app.state.web.file(request.path_params["digest"], request.path_params["name"])
