"""ASGI application of the board, with the table of all its routes."""

from __future__ import annotations

from importlib import import_module

from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from runfolio.board import replies
from runfolio.board.guard import Access, Guard
from runfolio.board.state import BoardState
from runfolio.board.web_files import WebFiles
from runfolio.errors import RunfolioError

PAGES = ("/", "/all", "/e/{name:path}", "/r/{key}", "/trash")
"""Addresses of pages. The server sends the same HTML document for all of them. The web app in this document then shows
the page."""


API = (
    ("/api/store", "GET", "store_info:store"),
    ("/api/runs", "GET", "runs:runs"),
    ("/api/runs/{key}", "GET", "run_page:run_page"),
    ("/api/runs/{key}/media", "GET", "media:media_list"),
    ("/api/runs/{key}/console", "GET", "console:console"),
    ("/api/runs/{key}/console.txt", "GET", "console:console_text"),
    ("/api/runs/{key}/code", "GET", "code:code"),
    ("/api/runs/{key}/files", "GET", "files:files"),
    ("/api/blobs/{key}/{sha}", "GET", "blobs:blob"),
    ("/api/columns", "GET", "picker:columns"),
    ("/api/curves", "GET", "curves:curves"),
    ("/api/figure.{ending}", "GET", "figure:figure"),
    ("/api/edits", "POST", "edits:edits"),
    ("/api/undo", "POST", "edits:undo"),
    ("/api/trash", "GET", "trash:trash"),
    ("/api/trash", "POST", "trash:change_trash"),
    ("/api/live", "GET", "live:live"),
    ("/api/ticket", "GET", "tickets:ticket"),
    ("/api/openapi.json", "GET", "openapi:openapi"),
)
"""Path, method and handler of each route of the API."""


def create_app(board: BoardState, access: Access) -> ASGIApp:
    """Return the ASGI application of a board."""
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
    """Return the routes of all pages, files and API calls."""
    return [
        *(Route(path, page) for path in PAGES),
        Route("/web/{digest}/{name:path}", web_file),
        *(Route(path, later(handler), methods=[method]) for path, method, handler in API),
    ]


def later(handler: str) -> replies.Handler:
    """Return a handler that imports its module at the first request. Therefore, the first page does not wait for the
    import.

    Args:
        handler: Module of this package and name of a function in it, such as `runs:runs`.
    """
    module, _, name = handler.partition(":")
    loaded: list[replies.Handler] = []

    async def answer(request: Request) -> Response:
        if not loaded:
            imported = await to_thread.run_sync(import_module, f"runfolio.board.{module}")
            loaded.append(getattr(imported, name))
        return await loaded[0](request)

    return answer


async def page(request: Request) -> Response:
    """Answer a `GET` request for any page."""
    return request.app.state.web.shell(request)


async def web_file(request: Request) -> Response:
    """Answer `GET /web/HASH/FILE` with a file of the web app."""
    return request.app.state.web.file(request.path_params["digest"], request.path_params["name"])
