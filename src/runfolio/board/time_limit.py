"""Time limit for requests. A slow request ends with an error, and the functions that it called in threads stop."""

from __future__ import annotations

import math
from contextlib import suppress

import anyio
from anyio import from_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runfolio.board.replies import ErrorBody, error_reply

ANSWER_S = 10.0
"""Maximum number of seconds from a request that only reads to the start of its answer."""
_UNLIMITED = "/api/figure."
"""Path of figures, which are drawn by a process with its own limit."""


async def answer_in_time(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Call an application, and answer with an error if it does not start its answer in time.

    Changes are not limited, because half of a change would be worse than a slow answer.
    """
    if scope["method"] not in ("GET", "HEAD") or scope["path"].startswith(_UNLIMITED):
        await app(scope, receive, send)
        return
    with anyio.move_on_after(ANSWER_S) as limit:

        async def start(message: Message) -> None:
            limit.deadline = math.inf  # downloads and event streams take as long as they need
            await send(message)

        await app(scope, receive, start)
    if limit.cancelled_caught:
        error = ErrorBody(f"the answer took more than {ANSWER_S:g} seconds", "select fewer runs, or ask again later")
        await error_reply(503, error, {"Retry-After": "10"})(scope, receive, send)


def check_time() -> None:
    """End the function of a worker thread if the time limit of its request is over.

    Slow functions call `check_time` in their loops.
    """
    with suppress(RuntimeError):  # outside a worker thread, for example in a test
        from_thread.check_cancelled()
