"""Table of all routes."""

from __future__ import annotations

from importlib import import_module

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from runfolio.board import live, replies, runs, store_info, tickets
from runfolio.board.guard import Access, Guard
from runfolio.board.state import BoardState, board_of
from runfolio.board.web_files import WebFiles
from runfolio.errors import RunfolioError

PAGES = ("/", "/all", "/e/{name:path}", "/r/{key}", "/trash")
"""Addresses of pages. All have the same document, and the web app shows the page."""


def create_app(board: BoardState, access: Access) -> ASGIApp:
    """Return the application of a board."""
    application = Starlette(
        routes=routes(),
        exception_handlers={
            replies.RefusedRequest: replies.refused,
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
        Route("/api/runs/{key}", _later("run_page", "run_page")),
        Route("/api/runs/{key}/media", _later("media", "media_list")),
        Route("/api/runs/{key}/console", _later("console", "console")),
        Route("/api/runs/{key}/console.txt", _later("console", "console_text")),
        Route("/api/runs/{key}/code", _later("code", "code")),
        Route("/api/runs/{key}/files", _later("files", "files")),
        Route("/api/blobs/{key}/{sha}", _later("blobs", "blob")),
        Route("/api/live", live.live),
        Route("/api/ticket", tickets.ticket),
    ]


def _later(module: str, name: str) -> replies.Handler:
    """Return a handler whose module is imported at its first request. Otherwise, NumPy would delay the start."""

    async def handler(request: Request) -> Response:
        imported = await board_of(request).in_thread(import_module, f"runfolio.board.{module}")
        return await getattr(imported, name)(request)

    return handler


async def page(request: Request) -> Response:
    """Answer `GET` of any page."""
    return request.app.state.web.shell(request)


async def web_file(request: Request) -> Response:
    """Answer `GET /web/HASH/FILE`."""
    return request.app.state.web.file(request.path_params["digest"], request.path_params["name"])
