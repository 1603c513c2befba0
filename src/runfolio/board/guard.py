"""Middleware that checks host, origin, token and size of every request, and adds headers to every answer.

A token is the secret that opens the board. A ticket opens the board once, in place of the token.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runfolio.board.replies import ErrorBody, RefusedRequest, error_reply
from runfolio.board.time_limit import answer_in_time

MAX_QUERY = 65_536
"""Maximum number of bytes in the query string of a request."""
MAX_BODY = 1_048_576
"""Maximum number of bytes in the body of a request."""
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_SAFE = ("GET", "HEAD")
_MAX_WRONG, _WRONG_S = 20, 60.0
"""Maximum number of wrong tokens in a period, and the length of this period in seconds."""
_TICKET_S = 60.0
"""Number of seconds for which a ticket, which opens the board once, is valid."""
_PLAIN_POLICY = "default-src 'none'; style-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": _PLAIN_POLICY,
}
"""Default headers of every answer. Only pages and media set a different Content-Security-Policy."""
_LOCKED = "this board needs a token"
_UNLOCK = (
    "open the link that `runfolio board` printed, or run `runfolio board` again to open it;"
    " programs send the token as `Authorization: Bearer TOKEN`"
)


@dataclass
class Access:
    """Rules that determine who may use the board.

    Args:
        token: Secret that a browser or program must send, or None if everybody may use the board.
        allowed_hosts: Names under which the board may be reached, in addition to the names of this machine.
        read_only: Refuse all requests that change something.
        frame_origins: Origins of web pages that may show the board in a frame, such as `http://localhost:8888`.
    """

    token: str | None
    allowed_hosts: frozenset[str] = frozenset()
    read_only: bool = False
    frame_origins: tuple[str, ...] = ()
    cookie: str = "runfolio"
    """Name of the cookie. The name contains the port, since browsers send a cookie to all ports of a host."""
    _wrong: list[float] = field(default_factory=list)
    _tickets: dict[str, float] = field(default_factory=dict)

    def new_ticket(self) -> str | None:
        """Return a ticket that opens the board once, within a minute. Return None if the board needs no token."""
        if self.token is None:
            return None
        ticket, now = secrets.token_urlsafe(), time.monotonic()
        self._tickets = {known: end for known, end in self._tickets.items() if end > now}
        self._tickets[ticket] = now + _TICKET_S
        return ticket

    def takes(self, ticket: str) -> bool:
        """Return whether a ticket is valid, and make it invalid, since a ticket opens the board only once."""
        return self._tickets.pop(ticket, 0.0) > time.monotonic()

    def knows(self, token: str | None) -> bool:
        """Return whether a token is correct. The comparison takes the same time for every wrong token."""
        return self.token is None or (token is not None and hmac.compare_digest(token.encode(), self.token.encode()))

    def note_wrong_token(self) -> bool:
        """Count a wrong token, and return whether too many wrong tokens were sent recently."""
        now = time.monotonic()
        self._wrong = [*(moment for moment in self._wrong if now - moment < _WRONG_S), now][-_MAX_WRONG - 1 :]
        return len(self._wrong) > _MAX_WRONG


class Guard:
    """ASGI middleware that checks each request before a route answers it."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _close(scope, receive, send)
            return
        send = _with_headers(send, self._access.frame_origins if _is_page(scope) else ())
        try:
            answer = self._answer(scope)
            receive = _bounded(scope, receive)
        except RefusedRequest as refusal:
            answer = refusal.reply()
        if answer is None:
            await answer_in_time(self._app, scope, receive, send)
        else:
            await answer(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        """Return an answer that ends the request, or None if a route may answer the request.

        Raises:
            RefusedRequest: The request is not allowed.
        """
        headers = Headers(scope=scope)
        host = self._checked_host(headers)
        _check_sizes(scope, headers)
        _check_origin(scope, headers, host, ("document", "iframe") if self._access.frame_origins else ("document",))
        answer = self._token_answer(scope, headers)
        if answer is None and scope["method"] not in _SAFE:
            self._check_change(headers)
        return answer

    def _checked_host(self, headers: Headers) -> str:
        """Check the Host header, and return its value.

        The owner of another web page can make the page's host name point to this machine (DNS rebinding). The browser
        then sends that name in the Host header.
        """
        hosts = headers.getlist("host")
        name = _host_name(hosts[0]) if len(hosts) == 1 else None
        if name is None or (name not in LOCAL_NAMES and name not in self._access.allowed_hosts):
            shown = ", ".join(hosts)[:200] or "none"
            raise RefusedRequest(
                403,
                f"the board is not reachable under this name (Host: {shown})",
                "open it as localhost or 127.0.0.1, or start it with --allowed-host NAME",
                allowed=sorted({*LOCAL_NAMES, *self._access.allowed_hosts}),
            )
        return hosts[0]

    def _token_answer(self, scope: Scope, headers: Headers) -> Response | None:
        access = self._access
        if access.token is None:
            return None
        in_query, query = _split_token(scope["query_string"], access)
        given = in_query or _bearer(headers) or _cookie(headers, access.cookie)
        if not access.knows(given):
            return self._without_token(scope, is_wrong=given is not None)
        if in_query is None:
            return None
        return _hand_over(scope, query, f"{access.cookie}={access.token}; Path=/; HttpOnly; SameSite=Strict")

    def _without_token(self, scope: Scope, *, is_wrong: bool) -> Response:
        if is_wrong and self._access.note_wrong_token():
            return error_reply(
                429, ErrorBody("too many wrong tokens", "wait a minute"), {"Retry-After": str(int(_WRONG_S))}
            )
        if _is_page(scope):
            return HTMLResponse(_LOCKED_PAGE, 401, {"Cache-Control": "no-store"})
        return error_reply(401, ErrorBody(_LOCKED, _UNLOCK), {"WWW-Authenticate": "Bearer"})

    def _check_change(self, headers: Headers) -> None:
        """Check a request that changes something.

        Raises:
            RefusedRequest: The request could come from a form on another web page, or the board is read-only.
        """
        if self._access.read_only:
            raise RefusedRequest(403, "this board is read-only", "start `runfolio board` without --read-only")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise RefusedRequest(415, "a change must be sent as JSON", "set Content-Type: application/json")
        if headers.get("content-encoding", "identity") != "identity":
            raise RefusedRequest(415, "a compressed body is not accepted", "send it without Content-Encoding")
        if headers.get("x-runfolio") != "1":
            raise RefusedRequest(403, "a change needs the header X-Runfolio: 1", "set X-Runfolio: 1")


def _host_name(host: str) -> str | None:
    """Return the name in a Host header without its port, or None if the header is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if not name or parts.netloc != host or "@" in host or parts.path:
        return None
    return f"[{name}]" if ":" in name else name


def _check_sizes(scope: Scope, headers: Headers) -> None:
    if len(scope["query_string"]) > MAX_QUERY:
        raise RefusedRequest(414, f"the query is longer than {MAX_QUERY:,} bytes", "select the runs with where=")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY:
        raise _too_large()


def _too_large() -> RefusedRequest:
    return RefusedRequest(413, f"the body is larger than {MAX_BODY:,} bytes", headers={"Connection": "close"})


def _check_origin(scope: Scope, headers: Headers, host: str, targets: tuple[str, ...]) -> None:
    """Refuse requests that come from other web pages. However, other web pages may link to a page of the board.

    Args:
        targets: Values of `Sec-Fetch-Dest` that such links may have. A page in a frame has the value `iframe`, and the
            browser shows it only if its Content-Security-Policy names the other web page.

    Raises:
        RefusedRequest: The request comes from another origin.
    """
    origins = headers.getlist("origin")
    if origins and origins not in ([f"http://{host}"], [f"https://{host}"]):  # a proxy may add TLS
        raise RefusedRequest(403, f"the request comes from another page ({', '.join(origins)[:200]})")
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") in targets
        if not (is_link and scope["method"] in _SAFE and _is_page(scope)):
            raise RefusedRequest(403, "the request comes from another page")


def _is_page(scope: Scope) -> bool:
    return not scope["path"].startswith(("/api/", "/web/"))


def _split_token(query: bytes, access: Access) -> tuple[str | None, str]:
    """Return the token in a query string, and the query string without the token.

    A ticket opens the board once. A valid ticket counts as the token.
    """
    parts = query.decode("latin-1").split("&")
    token = next((unquote(part.removeprefix("token=")) for part in parts if part.startswith("token=")), None)
    ticket = next((part.removeprefix("ticket=") for part in parts if part.startswith("ticket=")), None)
    if ticket is not None:
        token = access.token if access.takes(ticket) else ""
    return token, "&".join(part for part in parts if part and not part.startswith(("token=", "ticket=")))


def _bearer(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _cookie(headers: Headers, name: str) -> str | None:
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get("cookie", ""))
    except CookieError:
        return None
    return cookies[name].value if name in cookies else None


def _hand_over(scope: Scope, query: str, cookie: str) -> Response:
    """Return a page that stores the token in a cookie and then loads the same address without the token.

    A redirect would not work after a click on a link on another site. The browser would not send the new cookie to the
    target of the redirect.
    """
    if not _is_page(scope) or scope["method"] != "GET":
        return error_reply(400, ErrorBody("the token must be in a header, not in the address", _UNLOCK))
    last_part = scope["raw_path"].decode("latin-1").rpartition("/")[2]
    target = _escaped(f"./{last_part}{f'?{query}' if query else ''}")
    page = f'<!doctype html><meta http-equiv="refresh" content="0;url={target}"><title>runfolio</title>'
    return HTMLResponse(page, headers={"Cache-Control": "no-store", "Set-Cookie": cookie})


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


_LOCKED_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>runfolio: token needed</title>
<h1>This board needs a token</h1>
<p>Open the link that <code>runfolio board</code> printed, or run the command again to open the board.</p>
<p>If you followed a link on another page, <a href="">open this page again</a>.</p>
</html>"""


async def _close(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a WebSocket connection. The board does not use WebSockets."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})


def _with_headers(send: Send, frame_origins: tuple[str, ...]) -> Send:
    """Return an ASGI `send` function that adds the headers in `_HEADERS` to an answer.

    Args:
        frame_origins: Origins of web pages that may show the answer in a frame.
    """

    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if frame_origins:  # X-Frame-Options cannot name origins
                del headers["X-Frame-Options"]
                policy, allowed = headers["Content-Security-Policy"], f"frame-ancestors {' '.join(frame_origins)}"
                headers["Content-Security-Policy"] = policy.replace("frame-ancestors 'none'", allowed)
        await send(message)

    return add


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """Return an ASGI `receive` function that refuses bodies that are too large.

    The function counts the received bytes, because a client may omit the length of the body.
    """
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY:
            raise _too_large()
        return message

    return bounded


def host_names(names: Iterable[str]) -> frozenset[str]:
    """Return host names in the form that the guard compares: in lower case, and with IPv6 addresses in brackets."""
    lowered = (name.strip().lower().strip("[]") for name in names)
    return frozenset(f"[{name}]" if ":" in name else name for name in lowered if name)
