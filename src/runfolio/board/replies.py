"""Answers of the server: JSON, errors in one shape, and entity tags."""

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
"""Header that makes the browser validate a stored answer before it uses the answer."""


class RefusedRequest(Exception):  # noqa: N818 - an answer, not an error of the server
    """Answer with an error status that ends the handling of a request.

    Args:
        status: HTTP status.
        what: Problem in one sentence.
        remedy: Remedy for the user; None if there is none.
        allowed: Values that are allowed instead.
        headers: Further headers.
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
        """Return the response."""
        return error_reply(self.status, self.error, self.headers)


class ErrorBody(NamedTuple):
    """Description of an error."""

    what: str
    remedy: str | None = None
    allowed: Sequence[str] = ()
    position: int | None = None
    """Index of the character at which the filter is wrong."""


def json_bytes(content: Any) -> bytes:
    """Return JSON. NaN and infinity become null."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def json_reply(content: Any, status: int = 200) -> Response:
    """Return a response with JSON that is not cached."""
    return Response(json_bytes(content), status, media_type=JSON, headers=ALWAYS_ASK)


def error_reply(status: int, error: ErrorBody, headers: dict[str, str] | None = None) -> Response:
    """Return a response with an error."""
    body = {"error": {**error._asdict(), "allowed": list(error.allowed)}}
    return Response(json_bytes(body), status, media_type=JSON, headers={"Cache-Control": "no-store", **(headers or {})})


def entity_tag(*parts: object) -> str:
    """Return an entity tag that changes if a part changes."""
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
    """Return the response to an error in the server itself. Its traceback is printed where the server runs."""
    what = f"the board failed at this request ({type(error).__name__})"
    return error_reply(500, ErrorBody(what, "the terminal in which `runfolio board` runs shows the traceback"))


async def unknown(request: Request, error: Exception) -> Response:
    """Return the response to a request with an unknown path or method."""
    status = getattr(error, "status_code", 404)
    headers = dict(getattr(error, "headers", None) or {})
    if status == 405:
        allowed = [method.strip() for method in headers.get("Allow", "").split(",") if method.strip()]
        return error_reply(405, ErrorBody(f"{request.method} is not possible here", allowed=allowed), headers)
    return error_reply(status, ErrorBody("there is nothing at this address", "open the board's first page"), headers)


def _status(error: Exception) -> int:
    if isinstance(error, NotFound):
        return 404
    if isinstance(error, StoreError):
        return 409
    return 501 if isinstance(error, MissingExtra) else 400 if isinstance(error, RunfolioError) else 500
