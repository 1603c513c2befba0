"""Test that the server's memory does not grow while eight runs are written and watched. Only `make soak` runs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import runfolio

from .conftest import Board
from .http_client import Client

pytestmark = [pytest.mark.soak, pytest.mark.timeout(2 * 3600)]

SOAK_S = 3600.0
WARM_UP = 0.1
"""Fraction of the test's time after which the memory is compared."""
GROWTH_MB = 20.0
"""Maximum growth of the server's memory in MB. Most of it is for the points that are logged during the test."""
QUERIES = (
    "/api/store",
    "/api/runs?experiment=live",
    "/api/curves?metrics=train/loss,val/acc&experiment=live&px=900",
    "/api/curves?metrics=train/loss,val/acc&experiment=live&px=900&smooth=0.9",
    "/api/curves?metrics=train/loss,val/acc&experiment=live&px=900&x=time&group=lr",
)
"""Requests of a page that shows the runs."""


def test_memory_of_the_server_is_flat_with_eight_live_runs(
    store: Path, live_run: Callable[..., runfolio.RecordedRun], board_server: Callable[..., Board]
):
    for number in range(8):
        live_run(store, f"live-{number}", pause_s=0.2)
    board = board_server(store)
    client = Client(board.url, board.token).wait_for_scan()
    samples = list(_samples(client, board))
    warm = samples[int(WARM_UP * len(samples)) :]
    quarter = max(1, len(warm) // 4)

    assert client.get("/api/store").json["states"]["running"] == 8
    assert sum(warm[-quarter:]) / quarter < sum(warm[:quarter]) / quarter + GROWTH_MB


def _samples(client: Client, board: Board) -> Iterator[float]:
    """Send all requests of a page once a second, and yield the server's memory in MB each time."""
    deadline = time.monotonic() + SOAK_S
    while time.monotonic() < deadline:
        for query in QUERIES:
            assert client.get(query).status == 200
        yield _memory_mb(board.process.pid)
        time.sleep(1.0)


def _memory_mb(pid: int) -> float:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024
