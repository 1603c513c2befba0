"""Fixtures of the board: a store that runfolio wrote, a run that is being written, and servers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import runfolio

from ..forked import Forked, Process
from .http_client import Client, wait_for

_HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def recorded_store(forked: Forked, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record the runs of `board_store` once per session. Tests use `board_store` instead."""
    folder = tmp_path_factory.mktemp("board")
    store = folder / "runs"
    env = _recording_env(folder)
    program = _HERE / "record_runs.py"
    processes = {
        part: forked.start(program, store, part, cwd=folder, env=env)
        for part in ("trained", "logged", "failed", "killed")
    }
    ends = {part: process.wait() for part, process in processes.items()}
    assert ends == {"trained": 0, "logged": 0, "failed": 1, "killed": -9}
    damaged = store / "curves" / "damaged-00000000"
    shutil.copytree(next(store.glob("curves/archived-*")), damaged)
    (damaged / "run.json").write_text('{"runfolio": 0, "id": ', encoding="utf-8")
    return store


@pytest.fixture
def board_store(recorded_store: Path, cache: Path) -> Path:
    """Store for reading with these experiments and runs.

    - `digits`: eight short trainings on real images
    - `curves`: `resumed` (with an abandoned branch), `forked` (its fork), `not a number` (NaN and infinity in its
      loss), `failed`, `killed`, `archived`, and a folder whose `run.json` is damaged
    - `media`: one run with images, texts, histograms, a figure, a table, audio and video
    - `naughty` and `<script>alert(1)</script>`: names, notes, tags, settings, captions and output that break careless
      pages
    """
    return recorded_store


@pytest.fixture
def changing_store(recorded_store: Path, cache: Path, tmp_path: Path) -> Path:
    """Copy of `board_store` that the test may change."""
    return Path(shutil.copytree(recorded_store, tmp_path / "changing", symlinks=True))


@pytest.fixture
def live_run(forked_runfolio: Forked, tmp_path: Path) -> Iterator[Callable[..., runfolio.RecordedRun]]:
    """Start processes that log points until the test ends: `live_run(store, name="live", pause_s=0.05)`."""
    processes: list[Process] = []

    def start(store: Path, name: str = "live", pause_s: float = 0.05) -> runfolio.RecordedRun:
        program = _HERE / "record_live.py"
        env = _recording_env(tmp_path)
        processes.append(forked_runfolio.start(program, store, name, pause_s, cwd=tmp_path, env=env))
        return wait_for(lambda: _run_with_points(store, name), f"the run {name}")

    yield start
    for process in processes:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Board:
    """Started server."""

    url: str
    """Address without the token and without a slash at the end, such as `http://127.0.0.1:43125`."""
    token: str
    process: subprocess.Popen[str]

    @property
    def access(self) -> tuple[str, str]:
        """Address and token."""
        return self.url, self.token

    @property
    def link(self) -> str:
        """Address that a browser opens."""
        return f"{self.url}/?token={self.token}"


@pytest.fixture(scope="session")
def shared_board(recorded_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """Server of `board_store` that all tests of a worker share. The first scan of the store has ended, and tests only
    read."""
    folder = tmp_path_factory.mktemp("shared-board")
    board = start_board(recorded_store, folder / "board.txt", "--read-only", env=_recording_env(folder))
    Client(board.url, board.token).wait_for_scan()
    yield board
    _stop([board])


@pytest.fixture(scope="session")
def guarded_board(recorded_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """Server that accepts changes of `board_store`. Tests share it, and only send requests that it must refuse."""
    folder = tmp_path_factory.mktemp("guarded-board")
    board = start_board(recorded_store, folder / "board.txt", env=_recording_env(folder))
    yield board
    _stop([board])


@pytest.fixture(scope="session")
def reader(guarded_board: Board) -> Client:
    """Client that knows the token of `guarded_board`. The server has ended the first scan of the store."""
    return Client(*guarded_board.access).wait_for_scan()


@pytest.fixture
def board_server(tmp_path: Path) -> Iterator[Callable[..., Board]]:
    """Start servers on free ports: `board_server(store, *flags)`."""
    boards: list[Board] = []

    def start(store: Path, *flags: str) -> Board:
        boards.append(start_board(store, tmp_path / f"board-{len(boards)}.txt", *flags))
        return boards[-1]

    yield start
    _stop(boards)


def start_board(store: Path, output: Path, *flags: str, env: Mapping[str, str] | None = None) -> Board:
    """Start a server on a free port, which writes its output to a file, and wait until it answers."""
    command = [sys.executable, "-m", "runfolio", "board", "--store", str(store), "--port", "0", "--no-open", *flags]
    with output.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, text=True, env=env)
    link = wait_for(lambda: _printed_link(process, output), "the board")
    parts = urlsplit(link)
    return Board(f"{parts.scheme}://{parts.netloc}", parse_qs(parts.query).get("token", [""])[0], process)


def _stop(boards: Sequence[Board]) -> None:
    for board in boards:
        board.process.terminate()
    for board in boards:
        board.process.wait(10)


def _recording_env(folder: Path) -> dict[str, str]:
    """Return environment variables for processes that record runs and their console output."""
    env = {**os.environ, "RUNFOLIO_CACHE": str(folder / "cache"), "RUNFOLIO_QUIET": "1"}
    env.pop("RUNFOLIO_CONSOLE", None)
    env.pop("RUNFOLIO_STORE", None)
    return env


def _run_with_points(store: Path, name: str) -> runfolio.RecordedRun | None:
    runs = [run for run in runfolio.open(store).runs() if run.name == name] if store.exists() else []
    return runs[0] if runs and runs[0].metrics else None


def _printed_link(process: subprocess.Popen[str], output: Path) -> str | None:
    text = output.read_text()
    assert process.poll() is None, text
    link = re.search(r"http://\S+", text)
    return link[0] if link else None
