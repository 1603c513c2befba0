"""`/api/ticket`: a ticket that opens the board once in a browser."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from runfolio.board.query_args import QueryArgs
from runfolio.board.replies import json_reply
from runfolio.board.state import board_of


async def ticket(request: Request) -> Response:
    """Answer `GET /api/ticket`. The answer contains the id of the server, so that a later start can recognise the
    server."""
    QueryArgs(request, ())
    return json_reply({"instance": board_of(request).instance, "ticket": request.app.state.access.new_ticket()})
