"""Runs that this process keeps writing, for measuring how fast a reader follows them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.store_generator import MAIN_METRICS, Shape, make_document
from runfolio.record.base.layout import ALIVE, METRICS, run_folder, tail_path
from runfolio.record.base.run_document import RUNNING, Attempt, Status, now
from runfolio.record.liveness.heartbeats import Heartbeat
from runfolio.record.points import tails
from runfolio.record.points.tails import LogCall


@dataclass
class LiveRun:
    """Running run with one tail."""

    folder: Path
    writer: str
    chance: np.random.Generator
    metrics: int
    calls: int = 0

    def log(self, calls: int = 1) -> None:
        """Append log calls to the tail."""
        names = [*MAIN_METRICS, *(f"layer_{index}/norm" for index in range(self.metrics))][: self.metrics]
        first = self.calls + 1
        lines = [
            LogCall(
                seq, seq * 1_000_000, seq - 1, dict(zip(names, self.chance.random(len(names)).tolist(), strict=True))
            )
            for seq in range(first, first + calls)
        ]
        with tail_path(self.folder, self.writer, 1).path.open("ab") as file:
            file.write(tails.encode(lines))
        self.calls += calls


def start_live_runs(store: Path, runs: int, shape: Shape, *, first: int = 0) -> list[LiveRun]:
    """Start runs that look like the runs of a sweep, with `shape.points` log calls each.

    Args:
        first: Number of the first run, as for `generate`.
    """
    return [_start(store, shape, number) for number in range(first, first + runs)]


def _start(store: Path, shape: Shape, number: int) -> LiveRun:
    chance = np.random.default_rng(number)
    run_id, writer = f"live{number:04}", f"writ{number:04}"
    document = make_document(chance, shape, "live", number, run_id, writer)
    document = replace(
        document, status=Status(RUNNING), created=now(), summary={}, attempts=[Attempt(1, None, {}, writer, now())]
    )
    folder = run_folder(store, "live", document.name, run_id)
    for part in (ALIVE, METRICS):
        (folder / part).mkdir(parents=True)
    Heartbeat.of_this_process(writer, 1, 5.0).write(folder)
    tail_path(folder, writer, 1).path.write_bytes(tails.header(writer, 1))
    document.write(folder)
    run = LiveRun(folder, writer, chance, shape.metrics)
    run.log(shape.points)
    return run
