"""A watch over one attempt at a download, which cuts its connections when it is too slow or takes too long.

A timeout of the socket alone ends no transfer that brings a byte now and then, be it of the headers or the content.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
import urllib.request
from typing import Any, Self

TOO_SLOW = "too slow"
TOO_LONG = "too long"


class TransferWatch:
    """Context of an attempt. Its connections register themselves, so that the watch can cut them from its thread."""

    def __init__(self, window_s: float, window_bytes: int, ends: float) -> None:
        """Args:
        window_s: Time in which `window_bytes` must arrive.
        ends: Time of `time.monotonic` at which the attempt is over.
        """
        self.verdict: str | None = None
        """Why the connections were cut: `TOO_SLOW` or `TOO_LONG`."""
        self._window_s = window_s
        self._window_bytes = window_bytes
        self._ends = ends
        self._received = 0
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="runfolio-download-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()
        for connection in self._sockets:
            connection.close()

    def count(self, received: int) -> None:
        """Note bytes that arrived."""
        self._received += received

    def connect(self, *args: Any, **options: Any) -> socket.socket:
        """Open a connection as `socket.create_connection` does."""
        connection = socket.create_connection(*args, **options)
        with self._lock:
            # A descriptor of its own: TLS takes over the other one.
            self._sockets.append(connection.dup())
            if self.verdict is not None:
                self._cut()
        return connection

    def _watch(self) -> None:
        before = 0
        while self.verdict is None:
            left_s = self._ends - time.monotonic()
            if self._is_over.wait(max(0.0, min(self._window_s, left_s))):
                return
            if left_s <= self._window_s:
                self._stop(TOO_LONG)
            elif self._received - before < self._window_bytes:
                self._stop(TOO_SLOW)
            before = self._received

    def _stop(self, verdict: str) -> None:
        with self._lock:
            self.verdict = verdict
            self._cut()

    def _cut(self) -> None:
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def watched_handlers(watch: TransferWatch) -> tuple[urllib.request.BaseHandler, urllib.request.BaseHandler]:
    """Return urllib's handlers of http: and https:, whose connections the watch can cut."""

    class WatchedConnection(http.client.HTTPConnection):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self._create_connection = watch.connect

    class WatchedTlsConnection(http.client.HTTPSConnection):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self._create_connection = watch.connect

    class WatchedHandler(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> Any:
            return self.do_open(WatchedConnection, req)  # type: ignore[arg-type] - made as the base class is

    class WatchedTlsHandler(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> Any:
            return self.do_open(WatchedTlsConnection, req)  # type: ignore[arg-type] - made as the base class is

    return WatchedHandler(), WatchedTlsHandler()
