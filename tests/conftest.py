"""Every test has a store and an index of its own; nothing reaches the user's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from .forked import RUNFOLIO, TORCH, Forked

Run = Callable[..., subprocess.CompletedProcess[str]]

# Test processes share the cores, so threads that wait for each other by spinning would slow the tests down.
os.environ["OMP_NUM_THREADS"] = "1"
# No test is about speed, and on a busy machine an example of 50 ms may take a second.
# Started by nohup or in the background, pytest would have every process of a test ignore these from its birth.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# CI tries the same examples each time, developers new ones.
settings.register_profile("patient", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a temporary cache folder instead of the user's own, and no default store."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("RUNFOLIO_CACHE", str(folder))
    monkeypatch.delenv("RUNFOLIO_STORE", raising=False)
    # pytest captures stdout itself, so recording of consoles is tested in separate processes.
    monkeypatch.setenv("RUNFOLIO_CONSOLE", "off")
    # Tests read errors from stderr; tests/tracking/test_announcements.py tests the lines that a run prints.
    monkeypatch.setenv("RUNFOLIO_QUIET", "1")
    # Started in this repository, each run would keep the code of every module of tests that is loaded.
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def fresh_python(tmp_path: Path) -> Run:
    """Run a script in a Python process that has imported nothing; the script reads further arguments from sys.argv."""

    def run(script: str, *arguments: object, **options) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", script, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=options.pop("cwd", tmp_path),
            **options,
        )

    return run


@pytest.fixture
def python(forked_runfolio: Forked, tmp_path: Path) -> Run:
    """Run a script as `fresh_python` does, in a forked process that has runfolio imported."""
    return partial(_run_forked, forked_runfolio, tmp_path)


@pytest.fixture
def python_torch(forked: Forked, tmp_path: Path) -> Run:
    """Run a script as `fresh_python` does, in a forked process that has torch imported."""
    return partial(_run_forked, forked, tmp_path)


def _run_forked(server: Forked, folder: Path, script: str, *arguments: object, **options: Any) -> Any:
    options.setdefault("cwd", folder)
    return server.run("-W", "error", "-c", script, *arguments, **options)


@pytest.fixture(scope="session")
def forked_runfolio() -> Iterator[Forked]:
    """Python processes that have runfolio imported, for tests of something else than that import."""
    with closing(Forked(RUNFOLIO)) as server:
        yield server


@pytest.fixture(scope="session")
def forked() -> Iterator[Forked]:
    """Python processes that have torch imported, for tests of something else than that import."""
    with closing(Forked(TORCH)) as server:
        yield server
