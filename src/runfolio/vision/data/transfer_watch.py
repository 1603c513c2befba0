"""Watchdog for one download attempt. It closes the connections if the attempt is too slow or takes too long.

A socket timeout does not end a transfer that still receives an occasional byte of its headers or content.
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
    """Context manager for one attempt. A watchdog thread can close connections that were opened with `connect`."""

    def __init__(self, window_s: float, window_bytes: int, ends: float) -> None:
        """Create the watchdog. Entering the context starts it.

        Args:
            window_s: Seconds in which `window_bytes` must arrive.
            window_bytes: Minimum number of bytes in each window.
            ends: Value of `time.monotonic()` at which the attempt must end.
        """
        self.verdict: str | None = None
        """Reason why the watchdog closed the connections (`TOO_SLOW` or `TOO_LONG`), or None if it did not close
        them."""
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
        """Count received bytes."""
        self._received += received

    def connect(self, *args: Any, **options: Any) -> socket.socket:
        """Open a connection like `socket.create_connection`."""
        connection = socket.create_connection(*args, **options)
        with self._lock:
            # Store a duplicate, since TLS takes over the original descriptor.
            self._sockets.append(connection.dup())
            if self.verdict is not None:
                self._cut()
        return connection

    def _watch(self) -> None:
        counted = 0
        while self.verdict is None:
            left_s = self._ends - time.monotonic()
            if self._is_over.wait(max(0.0, min(self._window_s, left_s))):
                return
            if left_s <= self._window_s:
                self._stop(TOO_LONG)
            elif self._received - counted < self._window_bytes:
                self._stop(TOO_SLOW)
            counted = self._received

    def _stop(self, verdict: str) -> None:
        with self._lock:
            self.verdict = verdict
            self._cut()

    def _cut(self) -> None:
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def watched_handlers(watch: TransferWatch) -> tuple[urllib.request.BaseHandler, urllib.request.BaseHandler]:
    """Return urllib handlers for http: and https:. The watchdog can close their connections."""

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
