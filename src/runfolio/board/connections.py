"""HTTP connections of the board, with limits on the time that a request may take to arrive."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S = 20.0
"""Maximum number of seconds from the start of a connection or of a request until its last header arrives."""
_SILENT_MS = 60_000
"""Number of milliseconds without a sign of the other end after which the system closes a connection."""


class Connection(H11Protocol):
    """Connection that is closed if the headers of a request do not arrive in time.

    Otherwise, a client could keep many connections open that never send a complete request.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        with suppress(OSError, AttributeError):  # a Unix socket, or a system without `TCP_USER_TIMEOUT`
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT_MS)
        self._timer = self.loop.call_later(REQUEST_S, transport.close)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # The state changes with the last header. Further bytes of incomplete headers do not extend the time.
        is_incomplete = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if not is_incomplete:
            self._stop_timer()
        elif self._timer is None:
            self._timer = self.loop.call_later(REQUEST_S, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
