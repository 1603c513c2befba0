"""`/api/live`: stream of events that report changes to the browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from runfolio.board.event_hub import EventStream
from runfolio.board.query_args import QueryArgs, key_text
from runfolio.board.replies import json_bytes
from runfolio.board.state import BoardState, board_of

MAX_NAMED = 200
"""Maximum number of runs that an event lists."""
_POINTS_S = 0.5
"""Minimum number of seconds between two events of one stream."""
_COMMENT_S = 15.0
"""Number of seconds without an event after which a stream sends a comment. Comments make proxies keep the stream
open."""
_RETRY_MS = 2000


async def live(request: Request) -> Response:
    """Answer `GET /api/live` with a stream of events."""
    QueryArgs(request, ())
    board = board_of(request)
    stream = board.events.open_stream()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    events = _events(board, stream, request.headers.get("last-event-id"))
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _events(board: BoardState, stream: EventStream, last_id: str | None) -> AsyncIterator[bytes]:
    try:
        yield f"retry: {_RETRY_MS}\n\n".encode()
        yield _changed(board, [] if last_id == _event_id(board) else "all")
        while not stream.is_closed:
            try:
                await asyncio.wait_for(stream.wake.wait(), _COMMENT_S)
            except TimeoutError:
                yield b": still here\n\n"
                continue
            stream.wake.clear()
            if stream.changed:
                keys, stream.changed = stream.changed, set()
                yield _changed(board, [key_text(key) for key in keys] if len(keys) <= MAX_NAMED else "all")
            if stream.points:
                keys, stream.points = stream.points, set()
                yield _event("points", {key_text(key): True for key in keys})
            if not stream.is_closed:
                await asyncio.sleep(_POINTS_S)
    finally:
        board.events.close_stream(stream)


def _changed(board: BoardState, runs: list[str] | str) -> bytes:
    event = _event("changed", {"generation": board.generation, "runs": runs})
    return f"id: {_event_id(board)}\n".encode() + event


def _event(name: str, data: Any) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + json_bytes(data) + b"\n\n"


def _event_id(board: BoardState) -> str:
    return f"{board.instance}-{board.generation}"
