"""Functions for the answers of the server: JSON, errors in a common format, and entity tags (ETags)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response

from runfolio.errors import FilterError, MissingExtra, NotFound, RunfolioError, StoreError

Handler = Callable[[Request], Awaitable[Response]]
JSON = "application/json"
ALWAYS_ASK = {"Cache-Control": "no-cache"}
"""Header that makes the browser ask the server before it uses a stored answer."""


class RefusedRequest(Exception):  # noqa: N818 - an answer, not an error of the server
    """Exception that ends a request with an error answer.

    Args:
        status: HTTP status.
        what: Problem in one sentence.
        remedy: Advice that solves the problem, or None if there is no advice.
        allowed: Values that are allowed instead.
        headers: Additional headers.
    """

    def __init__(
        self,
        status: int,
        what: str,
        remedy: str | None = None,
        *,
        allowed: Sequence[str] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(what)
        self.status = status
        self.error = ErrorBody(what, remedy, allowed)
        self.headers = headers or {}

    def reply(self) -> Response:
        """Return the response that reports this error."""
        return error_reply(self.status, self.error, self.headers)


class ErrorBody(NamedTuple):
    """Description of an error."""

    what: str
    remedy: str | None = None
    allowed: Sequence[str] = ()
    position: int | None = None
    """Index of the character at which the filter is wrong."""


def json_bytes(content: Any) -> bytes:
    """Encode a value as JSON. NaN and infinity become null."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def json_reply(content: Any, status: int = 200) -> Response:
    """Return a response with JSON, which the browser does not use again without asking the server."""
    return Response(json_bytes(content), status, media_type=JSON, headers=ALWAYS_ASK)


def error_reply(status: int, error: ErrorBody, headers: dict[str, str] | None = None) -> Response:
    """Return a response with an error."""
    body = {"error": {**error._asdict(), "allowed": list(error.allowed)}}
    return Response(json_bytes(body), status, media_type=JSON, headers={"Cache-Control": "no-store", **(headers or {})})


def entity_tag(*parts: object) -> str:
    """Return an entity tag that changes if one of the parts changes."""
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(errors="replace"), digest_size=10)
    return f'"{digest.hexdigest()}"'


def is_current(request: Request, tag: str) -> bool:
    """Return whether the browser already has the answer with this entity tag."""
    given = request.headers.get("if-none-match", "")
    return tag in (part.strip().removeprefix("W/") for part in given.split(","))


def tagged(tag: str, content: bytes, media_type: str = JSON) -> Response:
    """Return a response with an entity tag."""
    return Response(content, media_type=media_type, headers={"ETag": tag, **ALWAYS_ASK})


def unchanged(tag: str) -> Response:
    """Return the response that makes the browser use its stored answer."""
    return Response(status_code=304, headers={"ETag": tag, **ALWAYS_ASK})


async def refused(request: Request, error: Exception) -> Response:
    """Return the response to a `RefusedRequest`."""
    assert isinstance(error, RefusedRequest)
    return error.reply()


async def failed(request: Request, error: Exception) -> Response:
    """Return the response to an error of runfolio."""
    if isinstance(error, FilterError):
        return error_reply(400, ErrorBody(error.problem, position=error.position))
    what, _, remedy = str(error).partition("; ")
    return error_reply(_status(error), ErrorBody(what, remedy or None))


async def broken(request: Request, error: Exception) -> Response:
    """Return the response to an unexpected error in the server. The terminal of the server shows the traceback."""
    what = f"an error in the board prevented an answer ({type(error).__name__})"
    return error_reply(500, ErrorBody(what, "the terminal in which `runfolio board` runs shows the traceback"))


async def unknown(request: Request, error: Exception) -> Response:
    """Return the response to a request with an unknown path or method."""
    status = getattr(error, "status_code", 404)
    headers = dict(getattr(error, "headers", None) or {})
    if status == 405:
        allowed = [method.strip() for method in headers.get("Allow", "").split(",") if method.strip()]
        return error_reply(405, ErrorBody(f"{request.method} is not allowed at this address", allowed=allowed), headers)
    return error_reply(status, ErrorBody("there is nothing at this address", "open the board's first page"), headers)


def _status(error: Exception) -> int:
    if isinstance(error, NotFound):
        return 404
    if isinstance(error, StoreError):
        return 409
    return 501 if isinstance(error, MissingExtra) else 400 if isinstance(error, RunfolioError) else 500
