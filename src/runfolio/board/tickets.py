"""`/api/ticket`: a word with which a browser opens the board once."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from runfolio.board.query_args import QueryArgs
from runfolio.board.replies import json_reply
from runfolio.board.state import board_of


async def ticket(request: Request) -> Response:
    """Answer `GET /api/ticket`. The answer names the server, so that a later start can recognise it."""
    QueryArgs(request, ())
    return json_reply({"instance": board_of(request).instance, "ticket": request.app.state.access.new_ticket()})
