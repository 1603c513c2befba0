"""Generator of a store with many varied runs, for measuring how fast stores are read. It writes the runs with
`runfolio.record`.

python -m benchmarks.store_generator FOLDER --runs 10000
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from runfolio.record.base import files
from runfolio.record.base.layout import (
    ALIVE,
    ARTIFACTS,
    CHECKPOINTS,
    CLAIMS,
    CONSOLE,
    FORMAT,
    MEDIA,
    METRICS,
    run_folder,
    segment_path,
)
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import Attempt, RunDocument, State, Status, time_to_text
from runfolio.record.points import segment_files
from runfolio.record.points.row_merging import ROW

MAIN_METRICS = ("train/loss", "val/loss", "train/acc", "val/acc", "lr", "grad_norm")
MODELS = ("tinyvgg", "resnet18", "resnet50", "efficientnet_b0", "vit_b_16", "mobilenet_v2", "convnext_tiny", "mlp")
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_CHUNK = 100
"""Number of runs that a process receives as one piece of work."""


@dataclass(frozen=True)
class Shape:
    """Size of each run."""

    settings: int = 50
    metrics: int = 20
    points: int = 200


LONG = Shape(points=10_000)
HUGE = Shape(metrics=1, points=1_000_000)


def generate(store: Path, runs: int, shape: Shape = Shape(), *, first: int = 0, experiment: str = "sweep") -> None:
    """Write runs that look like the runs of a sweep. The same arguments produce the same store.

    Args:
        first: Number of the first run. The number of a run seeds its settings and points.
    """
    store.mkdir(parents=True, exist_ok=True)
    chunks = [range(start, min(start + _CHUNK, first + runs)) for start in range(first, first + runs, _CHUNK)]
    write = partial(_write_runs, store, shape, experiment)
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for _ in track(pool.map(write, chunks), f"{runs:,} runs", total=len(chunks), transient=True):
            pass


def _write_runs(store: Path, shape: Shape, experiment: str, numbers: Iterable[int]) -> None:
    for number in numbers:
        _write_run(store, shape, f"{experiment}-{number // 1000}", number)


@dataclass(frozen=True)
class GeneratedRun:
    """Content of a run."""

    document: RunDocument
    writer: str
    metrics: list[str]
    """Names of the metrics, sorted."""
    values: np.ndarray
    """Array [metrics, points]; the points are at the steps 0, 1, 2 ..."""


def generate_run(shape: Shape, experiment: str, number: int) -> GeneratedRun:
    """Return the content of a run. The same arguments return the same content."""
    chance = np.random.default_rng(number)
    run_id, writer = ("".join(_LETTERS[index] for index in chance.integers(0, 36, 8)) for _ in range(2))
    document = _document(chance, shape, experiment, number, run_id, writer)
    metrics = metric_names(shape)
    decay = np.exp(-np.arange(shape.points) / (shape.points / chance.uniform(2, 6)))
    curves = [decay * chance.uniform(1, 3) + chance.normal(0, 0.02, shape.points) for _ in metrics]
    values = [1 - curve if name.endswith("acc") else curve for name, curve in zip(metrics, curves, strict=True)]
    return GeneratedRun(document, writer, metrics, np.stack(values))


def metric_names(shape: Shape) -> list[str]:
    """Return the names of a run's metrics, sorted."""
    return sorted([*MAIN_METRICS, *(f"layer_{index}/norm" for index in range(shape.metrics))][: shape.metrics])


def _write_run(store: Path, shape: Shape, experiment: str, number: int) -> None:
    run = generate_run(shape, experiment, number)
    document, writer = run.document, run.writer
    folder = run_folder(store, experiment, document.name, document.id)
    for part in ("", ALIVE, ARTIFACTS, CHECKPOINTS, CLAIMS, CONSOLE, MEDIA, METRICS):
        (folder / part).mkdir(parents=True, exist_ok=True)
    _write_points(folder, run)
    heartbeat = {"writer": writer, "attempt": 1, "host": "node-1", "boot": "b", "pid_namespace": "", "pid": 1}
    ending = {"pid_started": 1.0, "every_s": 5.0, "beat": 9, "end": document.status.state, "role": "primary"}
    files.write_json(RecordPath(folder, ALIVE, f"{writer}.json"), {"runfolio": FORMAT, **heartbeat, **ending})
    claim = {"attempt": 1, "writer": writer, "host": "node-1", "pid": 1, "time": time_to_text(document.created)}
    files.write_json(RecordPath(folder, CLAIMS, "attempt-1.json"), {"runfolio": FORMAT, **claim})
    (folder / CONSOLE / f"{writer}.log").write_text("epoch 1\n")
    document.write(folder)


def _document(
    chance: np.random.Generator, shape: Shape, experiment: str, number: int, run_id: str, writer: str
) -> RunDocument:
    settings: dict[str, Any] = {
        "model": MODELS[int(chance.integers(len(MODELS)))],
        "lr": float(f"{10 ** chance.uniform(-5, -1):.2g}"),
        "batch_size": int(2 ** chance.integers(3, 9)),
        "epochs": int(chance.choice([5, 10, 20])),
        "seed": number % 5,
        "amp": bool(chance.integers(2)),
        "optimizer": {"name": str(chance.choice(["sgd", "adamw"])), "weight_decay": float(chance.choice([0, 1e-4]))},
    }
    settings |= {f"option_{index}": int(chance.integers(4)) for index in range(shape.settings - 8)}
    state: State = "failed" if chance.integers(10) == 9 else "finished"
    created = _BEGIN + timedelta(minutes=7 * number)
    seconds = float(chance.uniform(60, 7200))
    return RunDocument(
        id=run_id,
        name=f"{settings['model']}-{number}",
        experiment=experiment,
        created=created,
        status=Status(state, created + timedelta(seconds=seconds), exit_code=int(state == "failed")),
        config=settings,
        summary={
            "test/acc": round(float(chance.uniform(0.5, 0.95)), 4),
            "parameters": int(chance.integers(10**6)),
            "val/images": 5_000,
            "test/images": 10_000,
        },
        tags=["baseline"] if number % 10 == 0 else [],
        code={
            "command": ["train.py", "--lr", str(settings["lr"])],
            "folder": "/home/ann/project",
            "commit": "8f0c" * 10,
        },
        environment={
            "python": "3.11.7",
            "host": "node-1",
            "device": "cuda",
            "packages": {f"package-{index}": f"1.{index}" for index in range(100)},
        },
        seeds={"seed": number % 5},
        attempts=[Attempt(1, None, {}, writer, created, seconds)],
    )


def _write_points(folder: Path, run: GeneratedRun) -> None:
    count, points = run.values.shape
    rows = np.zeros(count * points, ROW)
    rows["metric"] = np.repeat(np.arange(count, dtype=np.int32), points)
    rows["attempt"] = 1
    rows["step"] = np.tile(np.arange(points), count)
    rows["seq"] = rows["step"] + 1
    rows["time_us"] = int(run.document.created.timestamp() * 1e6) + rows["step"] * 1_000_000
    rows["value"] = run.values.ravel()
    ranges = {run.writer: [(1, points)]}
    segment_files.write(segment_path(folder, run.writer, 1), [rows], run.metrics, [run.writer], ranges)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=Shape.points, help="number of points per metric")
    args = parser.parse_args()
    generate(args.store, args.runs, replace(Shape(), points=args.points))


if __name__ == "__main__":
    main()
