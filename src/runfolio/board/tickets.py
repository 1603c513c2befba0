"""`/api/ticket`: ticket that opens the board once in a browser, in place of the secret token."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from runfolio.board.query_args import QueryArgs
from runfolio.board.replies import json_reply
from runfolio.board.state import board_of


async def ticket(request: Request) -> Response:
    """Answer `GET /api/ticket` with a ticket and the id of the server. The id lets a later `runfolio board` recognise
    this server."""
    QueryArgs(request, ())
    return json_reply({"instance": board_of(request).instance, "ticket": request.app.state.access.new_ticket()})
