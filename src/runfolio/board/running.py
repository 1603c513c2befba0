"""File that describes the running board of a store. A later `runfolio board` uses the file to find this board.

The file is in the cache folder of the user. Only the user can read it, because it contains the token.
"""

from __future__ import annotations

import dataclasses
import http.client
import os
import socket
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from runfolio.record.base.cache_folder import create_folder, store_cache
from runfolio.record.base.layout import new_id

_FILE = "board.json"
_ANSWER_S = 2.0
"""Maximum number of seconds to wait for an answer of a server that may have stopped."""


@dataclass(frozen=True, kw_only=True)
class RunningBoard:
    """Running server of a board."""

    url: str
    """Address of the first page, without the token and without a slash at the end."""
    token: str | None
    instance: str
    """Random id of the server."""
    pid: int
    read_only: bool = False
    uds: str | None = None
    """Path of the Unix socket, if the server does not listen on a port."""

    @property
    def link(self) -> str:
        """Address that opens the board. The address contains the token."""
        return f"{self.url}/?token={self.token}" if self.token else f"{self.url}/"

    def ask(self, path: str) -> Any:
        """Return the JSON answer of the server, or None if the server does not answer the request."""
        try:
            with closing(self._connect()) as connection:
                headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
                connection.request("GET", path, headers=headers)
                response = connection.getresponse()
                return orjson.loads(response.read()) if response.status == 200 else None
        except (OSError, http.client.HTTPException, ValueError):
            return None

    def browser_link(self) -> str | None:
        """Return an address that opens the board once, or None if the server has stopped.

        The address does not contain the token, because other users of the machine can read the command line of a
        browser.
        """
        answer = self.ask("/api/ticket")
        if not isinstance(answer, dict) or answer.get("instance") != self.instance:
            return None
        ticket = answer.get("ticket")
        return f"{self.url}/?ticket={ticket}" if ticket else f"{self.url}/"

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "localhost", parts.port, timeout=_ANSWER_S)
        if self.uds is not None:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(_ANSWER_S)
            connection.sock.connect(self.uds)
        return connection


def note_board(store: Path, board: RunningBoard) -> Path | None:
    """Write the file of a running board and return its path, or None if there is no cache folder."""
    path = _path(store)
    if path is None:
        return None
    temporary = path.with_name(f".{path.name}-{new_id()}")
    try:
        create_folder(path.parent)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps(dataclasses.asdict(board)))
        temporary.replace(path)
    except OSError:
        return None
    return path


def find_board(store: Path) -> RunningBoard | None:
    """Return the running board of a store, or None if no board is running."""
    path = _path(store)
    try:
        board = None if path is None else RunningBoard(**orjson.loads(path.read_bytes()))
    except (OSError, TypeError, ValueError):
        return None
    return board if board is not None and board.browser_link() is not None else None


def forget_board(path: Path | None, instance: str) -> None:
    """Remove the file of a board that ends, unless a later board has replaced the file."""
    if path is None:
        return
    with suppress(OSError, ValueError, AttributeError):
        if orjson.loads(path.read_bytes()).get("instance") == instance:
            path.unlink()


def _path(store: Path) -> Path | None:
    folder = store_cache(store)
    return None if folder is None else folder / _FILE
