"""Requests that the board refuses before a route sees them, and headers of all its answers.

The server is a real process, and requests are sent as bytes where a client would correct them.
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import runfolio
from runfolio.board.app import create_app
from runfolio.board.guard import Access
from runfolio.board.launch import BoardOptions, serve
from runfolio.board.state import BoardState

from .http_client import Client, address

EVIL = "http://evil.example"
FOREIGN_HOSTS = (
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.evil.example",
    "evil.example:{port}",
    "localhost@evil.example",
    "127.0.0.2",
    "",
)
PATHS = ("/", "/e/digits", "/trash", "/api/store", "/api/runs", "/api/live", "/api/trash", "/web/x/main.js", "/nothing")


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_foreign_host_is_refused_on_every_route(reader, host):
    replies = [reader.request(path, host=host.format(port=reader.port)) for path in PATHS]
    assert {reply.status for reply in replies} == {403}
    assert all("--allowed-host" in reply.error["remedy"] for reply in replies)


@pytest.mark.parametrize("headers", ["", "Host: {host}\r\nHost: evil.example\r\n", "Host: {host}\r\nHost: {host}\r\n"])
def test_missing_or_repeated_host_is_refused(reader, headers):
    lines = f"GET /api/store HTTP/1.1\r\n{headers.format(host=reader.host)}{reader.authorization}\r\n\r\n"
    assert reader.send_raw(lines.encode()).status in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8080", "LOCALHOST:6280"])
def test_own_names_are_accepted_with_any_port(reader, host):
    assert reader.request("/api/store", host=host).status == 200


def test_allowed_host_is_an_exact_name(board_store, board_server):
    client = Client(*board_server(board_store, "--allowed-host", "gpu.lab").access)
    assert client.request("/api/store", host="gpu.lab:443").status == 200
    assert client.request("/api/store", host="x.gpu.lab").status == 403


@pytest.mark.parametrize("origin", [EVIL, "null", "http://localhost:9999", "http://127.0.0.1", "x, y"])
@pytest.mark.parametrize("path", ["/api/runs", "/api/live", "/e/digits"])
def test_foreign_origin_is_refused_for_reading_too(reader, path, origin):
    assert reader.request(path, f"Origin: {origin}").status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_request_caused_by_another_site_is_refused(reader, site):
    assert reader.request("/api/runs", f"Sec-Fetch-Site: {site}").status == 403
    frame = f"Sec-Fetch-Site: {site}\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: iframe"
    assert reader.request("/", frame).status == 403


def test_another_site_may_link_to_a_page(reader):
    link = "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document"
    assert reader.request("/e/digits", link).status == 200
    assert reader.request("/api/store", link).status == 403


def test_own_origin_is_accepted(reader):
    assert reader.request("/api/store", f"Origin: http://{reader.host}\nSec-Fetch-Site: same-origin").status == 200


def test_change_from_another_page_is_refused_even_with_cookie(reader):
    cookie = {"Cookie": reader.cookie, "Authorization": ""}
    for headers in ({"Origin": EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert reader.post("/api/edits", {}, {**cookie, **headers}).status == 403
    assert reader.post("/api/edits", {}, cookie).status == 400


def test_no_answer_allows_other_origins(reader):
    preflight = f"Origin: {EVIL}\nAccess-Control-Request-Method: POST"
    replies = [
        reader.request("/api/edits", preflight, method="OPTIONS"),
        reader.request("/api/edits", method="OPTIONS"),
        reader.request("/api/store", f"Origin: {EVIL}"),
        *(reader.get(path) for path in PATHS if path != "/api/live"),
    ]
    assert not [name for reply in replies for name in reply.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_change_must_be_json(reader, kind):
    assert reader.post("/api/edits", {}, {"Content-Type": kind}).status == 415


def test_change_needs_a_header_that_forms_cannot_set(reader):
    assert reader.post("/api/edits", {}, {"X-Runfolio": ""}).status == 403


def test_every_answer_has_the_security_headers(reader):
    replies = [reader.get(path) for path in PATHS if path != "/api/live"]
    replies += [reader.request("/", host="evil.example"), reader.send("GET", "/api/store", {"Authorization": ""})]
    for reply in replies:
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["X-Frame-Options"] == "DENY"
        assert reply.headers["Referrer-Policy"] == "no-referrer"
        assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert reply.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        policy = reply.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert "unsafe" not in policy
        assert "Server" not in reply.headers


def test_only_named_origins_may_show_a_page_in_a_frame(board_store):
    access = Access(token=None, frame_origins=("http://localhost:8888",))
    client = TestClient(create_app(BoardState(board_store), access), base_url="http://localhost")
    frame = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    page = client.get("/", headers=frame)
    assert page.status_code == 200
    assert "frame-ancestors http://localhost:8888" in page.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in page.headers
    assert client.get("/api/ticket", headers=frame).status_code == 403
    reply = client.get("/api/ticket")
    assert reply.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]


@pytest.mark.parametrize("origin", ["*", "localhost:8888", "http://a.example/path", "http://a; x"])
def test_frame_origin_must_be_an_origin(store, origin):
    with pytest.raises(runfolio.ConfigError, match="not the origin of a web page"):
        serve(store, BoardOptions(port=0, frame_origins=[origin]), lambda running: None)


def test_page_runs_only_scripts_of_the_board(reader):
    policy = reader.get("/").headers["Content-Security-Policy"]
    scripts = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
    assert scripts.split()[1:2] == ["'self'"]
    assert all(source.startswith("'sha256-") for source in scripts.split()[2:])


def test_unchanged_page_keeps_its_policy(reader):
    first = reader.get("/e/digits")
    again = reader.get("/e/digits", {"If-None-Match": first.headers["ETag"]})
    assert again.status == 304
    assert again.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]


def test_long_query_is_refused(reader):
    assert reader.request(f"/api/runs?where={'a' * 66_000}").status == 414
    assert reader.request(f"/api/runs?where={'a' * 11_000}").status == 400


def test_large_body_is_refused_before_it_is_read(reader):
    head = f"POST /api/edits HTTP/1.1\r\nHost: {reader.host}\r\n{reader.authorization}\r\n"
    head += "Content-Type: application/json\r\nX-Runfolio: 1\r\n"
    assert reader.send_raw(f"{head}Content-Length: 9999999999\r\n\r\n".encode()).status == 413
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    assert reader.send_raw(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk * 17).status == 413


def test_compressed_body_is_refused(reader):
    assert reader.post("/api/edits", {}, {"Content-Encoding": "gzip"}).status == 415


def test_many_half_open_requests_do_not_block_others(reader):
    connections = [socket.create_connection(address(reader.host), timeout=20) for _ in range(200)]
    try:
        for connection in connections:
            connection.sendall(b"GET /api/store HTTP/1.1\r\nHost: local")
        assert reader.get("/api/store").status == 200
    finally:
        for connection in connections:
            connection.close()


def test_many_ranges_are_ignored(reader):
    ranges = ",".join(f"{number}-{number}" for number in range(5_000))
    assert reader.request("/", f"Range: bytes={ranges}").status == 200


def test_websocket_is_refused(reader):
    headers = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAA"
    assert reader.request("/api/live", f"{headers}\nOrigin: {EVIL}").status == 403
    assert reader.request("/api/store", headers).status != 101


def test_read_only_board_refuses_every_change(board_store, board_server):
    client = Client(*board_server(board_store, "--read-only").access).wait_for_scan()
    assert client.get("/api/store").json["read_only"] is True
    for path in ("/api/edits", "/api/undo", "/api/trash", "/api/store", "/nothing"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            reply = client.send(method, path, {"Content-Type": "application/json", "X-Runfolio": "1"}, b"{}")
            assert reply.status == 403
            assert "--read-only" in reply.error["remedy"]


def test_reading_changes_nothing_in_the_store(reader, recorded_store):
    before = contents(recorded_store)
    key = reader.get("/api/runs", archived="1").json["keys"][0]
    for path in (*PATHS, f"/r/{key}", "/api/columns", f"/api/runs/{key}", "/api/runs?group=lr", "/api/ticket"):
        if path != "/api/live":
            reader.get(path)
            reader.send("HEAD", path)
    assert contents(recorded_store) == before


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and modification time of every file and folder."""
    paths = [folder, *folder.rglob("*")]
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in paths}
