"""Limits on the time that a request takes to arrive and to be answered."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import anyio
import pytest

from runfolio.board import connections, time_limit
from runfolio.board.launch import BoardOptions, serve
from runfolio.board.replies import RefusedRequest
from runfolio.board.running import RunningBoard
from runfolio.board.state import BoardState

from .http_client import wait_for
from .run_client import RunClient


@pytest.fixture
def quick_board(store, cache, monkeypatch) -> Iterator[RunningBoard]:
    """Server in this process. It closes connections without a complete request after half a second."""
    monkeypatch.setattr(connections, "REQUEST_S", 0.5)
    boards: list[RunningBoard] = []
    stop = threading.Event()
    server = threading.Thread(target=serve, args=(store, BoardOptions(port=0, token=False), boards.append, stop.wait))
    server.start()
    yield wait_for(lambda: boards[0] if boards else None, "the board")
    stop.set()
    server.join(20)
    assert not server.is_alive()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: local"])
def test_half_open_connection_is_closed(quick_board, sent):
    parts = urlsplit(quick_board.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(sent)
        assert connection.recv(100) == b""


def test_slow_headers_do_not_extend_the_time(quick_board):
    parts = urlsplit(quick_board.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):  # the server has closed the connection
            send_slowly(connection)


def send_slowly(connection: socket.socket) -> None:
    for number in range(100):
        connection.sendall(f"X-{number}: 1\r\n".encode())
        time.sleep(0.1)


def test_connection_stays_open_between_complete_requests(quick_board):
    parts = urlsplit(quick_board.url)
    request = f"GET /api/ticket HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        for _ in range(2):
            connection.sendall(request)
            assert connection.recv(12) == b"HTTP/1.1 200"
            while b"ticket" not in connection.recv(10_000):
                pass
            time.sleep(0.8)


def test_slow_request_ends_with_an_error_and_frees_its_thread(board_store, monkeypatch):
    client = RunClient(board_store)
    address = f"/api/runs/{client.key('failed')}/console"
    is_running, ended = threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        is_running.set()
        try:
            while True:
                time_limit.check_time()
                time.sleep(0.01)
        finally:
            ended.set()

    assert client.get(address).status_code == 200  # imports the handler, which may take longer than the limit
    with monkeypatch.context() as patch:
        patch.setattr(time_limit, "ANSWER_S", 1.0)
        patch.setattr("runfolio.board.console.console_page", slow)
        reply = client.get(address)
    assert reply.status_code == 503
    assert reply.json()["error"]["what"] == "the answer took more than 1 seconds"
    assert is_running.is_set()
    assert ended.wait(10)
    assert client.get(address).status_code == 200


def test_work_that_does_not_stop_counts_until_it_ends(store):
    board, end = BoardState(store), threading.Event()

    async def ask() -> None:
        with anyio.move_on_after(0.2):
            await board.in_heavy_thread(end.wait, 20)

    async def ask_too_often() -> int:
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(ask)
        with pytest.raises(RefusedRequest, match="too many requests at once"):
            await board.in_heavy_thread(int)
        end.set()
        with anyio.fail_after(20):
            while True:
                try:
                    return await board.in_heavy_thread(int)
                except RefusedRequest:
                    await anyio.sleep(0.01)

    assert anyio.run(ask_too_often) == 0
