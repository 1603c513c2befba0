"""Start of the board: command, Python, notebooks, SSH, and a store whose board is already running."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import runfolio
from runfolio.board.running import find_board

from .http_client import Client, wait_for


def board_command(*options: object) -> list[str]:
    return [sys.executable, "-m", "runfolio", "board", "--no-open", *map(str, options)]


def link_of(output: Path) -> str:
    return next((word for word in output.read_text().split() if word.startswith("http://")), "")


@pytest.fixture
def default_board(recorded_store, cache, tmp_path):
    """Board that was started with no option except the store. Its output is in `first.txt`."""
    with (tmp_path / "first.txt").open("w") as file:
        process = subprocess.Popen(board_command("--store", recorded_store), stdout=file, stderr=file)
    wait_for(lambda: link_of(tmp_path / "first.txt"), "the board")
    yield process
    process.terminate()
    process.wait(10)


def test_second_start_opens_the_board_that_runs(default_board, recorded_store, tmp_path):
    second = subprocess.run(board_command("--store", recorded_store), capture_output=True, text=True, timeout=60)
    assert second.returncode == 0
    assert link_of(tmp_path / "first.txt") in second.stdout
    with runfolio.open_board(recorded_store, browser=False) as board:
        assert board.link == link_of(tmp_path / "first.txt")
    assert default_board.poll() is None


def test_ended_board_is_not_found(default_board, recorded_store, cache):
    assert find_board(recorded_store.resolve()) is not None
    default_board.terminate()
    assert default_board.wait(10) == 0
    assert find_board(recorded_store.resolve()) is None
    assert list(cache.rglob("board.json")) == []


def test_answers_on_an_open_connection_are_not_delayed(default_board, tmp_path):
    url = urlsplit(link_of(tmp_path / "first.txt"))
    connection = http.client.HTTPConnection(url.netloc)
    times = []
    for _ in range(40):
        start = time.perf_counter()
        connection.request("GET", "/api/openapi.json")
        connection.getresponse().read()
        times.append(time.perf_counter() - start)
    connection.close()

    assert sorted(times)[10] < 0.03


def test_killed_board_is_not_found(default_board, recorded_store):
    default_board.kill()
    default_board.wait()
    assert find_board(recorded_store.resolve()) is None


def test_port_in_use_is_named(python):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        end = python("from runfolio.cli import main; main()", "board", "--no-open", "--port", port)
    assert end.returncode == 2
    assert f"port {port}" in end.stderr


def test_store_may_be_created_later(store, board_server, python):
    client = Client(*board_server(store).access).wait_for_scan()
    assert client.get("/api/runs").json["total"] == 0
    script = "import runfolio, sys; runfolio.init('first', store=sys.argv[1]).finish()"
    assert python(script, store).returncode == 0
    wait_for(lambda: client.get("/api/runs").json["total"] == 1, "the first run")


def test_ssh_session_gets_the_line_for_a_tunnel(recorded_store, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.7 51000 192.0.2.1 2222")
    monkeypatch.setenv("USER", "ada")
    path = tmp_path / "output.txt"
    with path.open("w") as file:
        process = subprocess.Popen(board_command("--store", recorded_store, "--port", "0"), stdout=file, stderr=file)
    wait_for(lambda: "ssh" in path.read_text(), "the board")
    process.terminate()
    process.wait(10)
    port = link_of(path).partition("/?")[0].rpartition(":")[2]
    assert f"ssh -N -p 2222 -L {port}:127.0.0.1:{port} ada@192.0.2.1" in path.read_text()


def test_unix_socket_answers(recorded_store, board_server, tmp_path):
    path = tmp_path / "board.sock"
    board = board_server(recorded_store, "--uds", str(path))
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        request = f"GET /api/store HTTP/1.1\r\nHost: localhost:7000\r\nAuthorization: Bearer {board.token}\r\n\r\n"
        connection.sendall(request.encode())
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 200
    board.process.terminate()
    board.process.wait(10)
    assert not path.exists()


def test_open_board_is_a_link_in_a_notebook(recorded_store, cache):
    with runfolio.open_board(recorded_store, browser=False) as board:
        assert f'href="{board.link}"' in board._repr_html_()
        assert find_board(recorded_store.resolve()) is not None
    assert find_board(recorded_store.resolve()) is None


def test_open_board_imports_no_module_of_the_current_folder(recorded_store, cache):
    Path("json.py").write_text("open('imported', 'w').close()")
    with runfolio.open_board(recorded_store, browser=False):
        assert not Path("imported").exists()


def test_open_board_ends_with_its_caller(recorded_store, cache, tmp_path):
    script = f"""
import os, runfolio
board = runfolio.open_board({str(recorded_store)!r}, browser=False)
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    wait_for(lambda: find_board(recorded_store.resolve()) is None, "the end of the board")


def test_failed_start_is_explained(recorded_store, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(runfolio.StoreError, match="the board did not start"):
        runfolio.open_board(recorded_store, browser=False)
