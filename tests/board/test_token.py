"""Token of the board. Programs and browsers with the token may read and change the store, and all others are
refused."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from starlette.routing import Route

from runfolio.board.app import routes

from .http_client import Client

VARIANTS = (
    "//api/store",
    "/api/../api/store",
    "/%61pi/store",
    "/api/store/",
    "/API/store",
    "/api%2Fstore",
    "/api;x/store",
)


def every_route() -> list[tuple[str, str]]:
    """Return a method and a path of each route."""
    return [
        (method, re.sub(r"\{\w+(:path)?\}", "x", route.path))
        for route in routes()
        if isinstance(route, Route)
        for method in sorted(route.methods or ())
    ]


@pytest.mark.parametrize(("method", "path"), every_route())
def test_no_route_answers_without_the_token(guarded_board, method, path):
    client = Client(guarded_board.url, None)
    headers = {"Content-Type": "application/json", "X-Runfolio": "1"}
    assert client.send(method, path, headers, b"{}" if method == "POST" else None).status == 401


@pytest.mark.parametrize("path", VARIANTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_no_spelling_of_a_path_avoids_the_token(guarded_board, path, method):
    assert Client(guarded_board.url, None).request(path, method=method).status == 401


def test_page_without_the_token_says_how_to_open_it(guarded_board):
    reply = Client(guarded_board.url, None).get("/e/digits")
    assert reply.status == 401
    assert b"runfolio board" in reply.body


def test_link_exchanges_the_token_for_a_cookie(guarded_board):
    client = Client(guarded_board.url, None)
    reply = client.get(f"/e/a%2Fb?v=1&token={guarded_board.token}&where=lr%20%3C%201")
    cookie = reply.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert guarded_board.token.encode() not in reply.body
    assert b'url=./a%2Fb?v=1&amp;where=lr%20%3C%201"' in reply.body
    assert reply.headers["Cache-Control"] == "no-store"
    assert client.get("/api/store", {"Cookie": cookie.partition(";")[0]}).status == 200


def test_ticket_opens_the_board_once(guarded_board, reader):
    ticket = reader.get("/api/ticket").json["ticket"]
    stranger = Client(guarded_board.url, None)
    assert stranger.get(f"/?ticket={ticket}").status == 200
    assert stranger.get(f"/?ticket={ticket}").status == 401
    assert stranger.get("/api/ticket").status == 401


def test_token_in_the_address_of_the_api_is_not_accepted(guarded_board):
    assert Client(guarded_board.url, None).get(f"/api/store?token={guarded_board.token}").status == 400


def test_tokens_are_long_random_and_private(board_store, board_server, cache):
    boards = [board_server(board_store), board_server(board_store)]
    assert boards[0].token != boards[1].token
    assert all(len(board.token) * 6 >= 128 for board in boards)
    assert Client(boards[0].url, boards[1].token).get("/api/store").status == 401
    (file,) = cache.rglob("board.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_wrong_tokens_are_slowed_down(board_store, board_server):
    board = board_server(board_store)
    wrong = Client(board.url, "wrong")
    statuses = [wrong.get("/api/store").status for _ in range(25)]
    assert statuses[:20] == [401] * 20
    assert statuses[-1] == 429
    assert int(wrong.get("/api/store").headers["Retry-After"]) > 0
    assert Client(board.url, board.token).get("/api/store").status == 200


def test_token_is_only_in_the_printed_link(board_store, board_server, tmp_path):
    board = board_server(board_store)
    client = Client(*board.access)
    for path in (f"/?token={board.token}", f"/api/store?token={board.token}", "/api/store", "/nothing"):
        assert board.token.encode() not in client.get(path).body
    output = (tmp_path / "board-0.txt").read_text()
    assert output.count(board.token) == 1
    process = Path("/proc", str(board.process.pid))
    assert board.token.encode() not in process.joinpath("cmdline").read_bytes()
    assert board.token.encode() not in process.joinpath("environ").read_bytes()


def test_board_without_token_is_open_to_this_machine(board_store, board_server, tmp_path):
    board = board_server(board_store, "--no-token")
    assert Client(board.url, None).get("/api/store").status == 200
    assert "without a token" in (tmp_path / "board-0.txt").read_text()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "some.host"])
def test_other_machines_are_never_let_in_without_token(python, board_store, host):
    end = python(
        "from runfolio.cli import main; main()",
        "board",
        "--store",
        board_store,
        "--no-open",
        "--no-token",
        "--host",
        host,
    )
    assert end.returncode == 2
    assert len(end.stderr.strip().splitlines()) == 1
    assert "--no-token" in end.stderr


def test_socket_is_private(board_store, board_server, tmp_path):
    path = tmp_path / "board.sock"
    board_server(board_store, "--uds", str(path))
    assert stat.S_IMODE(os.lstat(path).st_mode) == 0o600
