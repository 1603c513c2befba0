"""Runs to which this process adds points, for measuring how fast a reader finds new points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.store_generator import Shape, generate_run
from runfolio.record.base.layout import ALIVE, METRICS, run_folder, tail_path
from runfolio.record.base.run_document import RUNNING, Attempt, Status, now
from runfolio.record.liveness.heartbeats import Heartbeat
from runfolio.record.points import tails
from runfolio.record.points.tails import LogCall


@dataclass
class LiveRun:
    """Run in progress. Its points are in one tail, a file with one JSON line per log call."""

    tail: Path
    metrics: list[str]
    calls: int = 0

    def log(self, values: np.ndarray) -> None:
        """Append log calls to the tail.

        Args:
            values: Values of all metrics in each call; [calls, metrics].
        """
        calls = [
            LogCall(seq, seq * 1_000_000, seq - 1, dict(zip(self.metrics, row, strict=True)))
            for seq, row in enumerate(values.tolist(), self.calls + 1)
        ]
        with self.tail.open("ab") as file:
            file.write(tails.encode(calls))
        self.calls += len(calls)


def start_live_runs(store: Path, runs: int, shape: Shape, *, first: int = 0) -> list[LiveRun]:
    """Start runs that look like the runs of a sweep, with `shape.points` log calls each.

    Args:
        first: Number of the first run, as in `store_generator.generate`.
    """
    return [_start(store, shape, number) for number in range(first, first + runs)]


def _start(store: Path, shape: Shape, number: int) -> LiveRun:
    run = generate_run(shape, "live", number)
    attempts = [Attempt(1, None, {}, run.writer, now())]
    document = replace(run.document, status=Status(RUNNING), created=now(), summary={}, attempts=attempts)
    folder = run_folder(store, "live", document.name, document.id)
    for part in (ALIVE, METRICS):
        (folder / part).mkdir(parents=True)
    Heartbeat.of_this_process(run.writer, 1, 5.0).write(folder)
    tail = tail_path(folder, run.writer, 1).path
    tail.write_bytes(tails.header(run.writer, 1))
    document.write(folder)
    live = LiveRun(tail, run.metrics)
    live.log(run.values.T)
    return live
