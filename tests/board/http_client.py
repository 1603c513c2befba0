"""Client for tests of the board's API. It sends exactly what a test asks for."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import orjson

T = TypeVar("T")


class Reply(NamedTuple):
    """Answer of the server."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """Decoded JSON."""
        return orjson.loads(self.body)

    @property
    def error(self) -> Any:
        """Description of the error."""
        return self.json["error"]


class Event(NamedTuple):
    """Event of the live stream."""

    kind: str
    data: Any
    id: str | None


class Client:
    """Client that uses the API of one server with its token."""

    def __init__(self, url: str, token: str | None) -> None:
        self.host = urlsplit(url).netloc
        self.port = urlsplit(url).port
        self._token = token

    @property
    def authorization(self) -> str:
        """Header line with the token."""
        return f"Authorization: Bearer {self._token}"

    @property
    def cookie(self) -> str:
        """Cookie with the token, as a browser sends it."""
        return f"runfolio-{self.port}={self._token}"

    def wait_for_scan(self) -> Client:
        """Wait until the server has scanned all folders."""
        wait_for(lambda: not self.get("/api/store").json["stale"], "the first scan of the store")
        return self

    def get(self, path: str, headers: Mapping[str, str] | None = None, **parameters: Any) -> Reply:
        """Send a GET request."""
        query = f"?{urlencode(parameters, quote_via=quote)}" if parameters else ""
        return self.send("GET", path + query, headers)

    def post(self, path: str, content: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Send JSON with the headers that a change needs."""
        needed = {"Content-Type": "application/json", "X-Runfolio": "1"}
        return self.send("POST", path, {**needed, **(headers or {})}, orjson.dumps(content))

    def send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        """Send a request with the token and the given headers."""
        own = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        connection = http.client.HTTPConnection(self.host, timeout=20)
        try:
            connection.request(method, path, body, {**own, **(headers or {})})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def events(self, headers: str = "", timeout_s: float = 30.0) -> Generator[Event, None, None]:
        """Yield the events of the live stream."""
        with socket.create_connection(address(self.host), timeout=timeout_s) as connection:
            lines = ["GET /api/live HTTP/1.1", f"Host: {self.host}", self.authorization, *headers.splitlines()]
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            response = http.client.HTTPResponse(connection)
            response.begin()
            assert response.status == 200
            fields: dict[str, str] = {}
            for line in response:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if "data" in fields and not name:
                    yield Event(fields["event"], orjson.loads(fields["data"]), fields.get("id"))
                    fields = {}
                elif name:
                    fields[name] = value

    def send_raw(self, data: bytes, timeout_s: float = 20.0) -> Reply:
        """Send bytes and return the answer. HTTP clients would correct the requests that some tests send."""
        with socket.create_connection(address(self.host), timeout=timeout_s) as connection:
            connection.sendall(data)
            response = http.client.HTTPResponse(connection, method=data.partition(b" ")[0].decode())
            response.begin()
            return Reply(response.status, response.headers, response.read())

    def request(self, path: str, headers: str = "", method: str = "GET", host: str | None = None) -> Reply:
        """Send a request line and header lines unchanged, with the token."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host if host is None else host}"]
        lines += [self.authorization] if self._token else []
        text = "\r\n".join([*lines, "Connection: close", *headers.splitlines(), "", ""])
        return self.send_raw(text.encode("latin-1"))


def wait_for(check: Callable[[], T | None], what: str, timeout_s: float = 30.0) -> T:
    """Return the first true result of `check`."""
    deadline = time.monotonic() + timeout_s
    while not (result := check()):
        assert time.monotonic() < deadline, f"{what} took more than {timeout_s:.0f} s"
        time.sleep(0.02)
    return result


def address(host: str) -> tuple[str, int]:
    """Return the name and the port in `HOST:PORT`."""
    name, _, port = host.rpartition(":")
    return name.strip("[]"), int(port)
