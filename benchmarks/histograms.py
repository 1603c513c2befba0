"""Cost of the histograms of a ResNet-18's gradients, compared with torch's SummaryWriter.

    python -m benchmarks.histograms

The tensors have the shapes of the 62 parameters of a ResNet-18, 11.7 million numbers in total. "one step" is the time
of 62 calls while the writer is idle. "without pause" is the number of histograms per second if 62 calls follow each
other for the given number of steps, including the time until all of them are in the file. "memory" is the largest
amount of memory that the process needs in addition. Each measurement runs in a fresh process, and the writers take
turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.venvs import ROOT

CLASSES = 1000
WRITERS = {"SummaryWriter": "torch.utils.tensorboard", "runfolio": "runfolio"}
"""Modules with the class `SummaryWriter`, by title."""
_IDLE_S = 2.5
"""Pause before each step with an idle writer, so that all earlier histograms are written."""


def resnet18_shapes() -> list[tuple[int, ...]]:
    """Return the shapes of the parameters of a ResNet-18."""
    shapes: list[tuple[int, ...]] = [(64, 3, 7, 7), (64,), (64,)]
    channels = 64
    for width in (64, 128, 256, 512):
        for block in range(2):
            shapes += [(width, channels, 3, 3), (width,), (width,), (width, width, 3, 3), (width,), (width,)]
            if block == 0 and width != channels:
                shapes += [(width, channels, 1, 1), (width,), (width,)]
            channels = width
    return [*shapes, (CLASSES, channels), (CLASSES,)]


def measure(module: str, folder: str, steps: int, idle_steps: int) -> dict[str, Any]:
    """Return the milliseconds of each step with an idle writer, the rate without pauses, and the additional memory."""
    import importlib

    import torch

    torch.manual_seed(0)
    gradients = [torch.randn(shape) * 1e-3 for shape in resnet18_shapes()]
    names = [f"gradients/{number}" for number in range(len(gradients))]
    writer = importlib.import_module(module).SummaryWriter(folder)

    def log(step: int) -> None:
        for name, values in zip(names, gradients, strict=True):
            writer.add_histogram(name, values, step)

    log(0)
    writer.flush()
    costs = []
    for step in range(1, idle_steps + 1):
        time.sleep(_IDLE_S)
        began = time.perf_counter()
        log(step)
        costs.append(1000 * (time.perf_counter() - began))
    writer.flush()
    time.sleep(_IDLE_S)

    before, stop_watching = _resident_mb(), _watch_memory()
    began = time.perf_counter()
    for step in range(steps):
        log(idle_steps + 1 + step)
    writer.flush()
    rate = steps * len(gradients) / (time.perf_counter() - began)
    peak = stop_watching()
    began = time.perf_counter()
    writer.close()
    return {"costs": costs, "rate": rate, "memory": peak - before, "close_s": time.perf_counter() - began}


def _watch_memory() -> Callable[[], float]:
    """Sample the memory of this process in a thread. The result is a function that returns the largest sample in
    MB."""
    samples, done = [_resident_mb()], threading.Event()

    def sample() -> None:
        while not done.wait(0.01):
            samples.append(_resident_mb())

    thread = threading.Thread(target=sample)
    thread.start()

    def stop() -> float:
        done.set()
        thread.join()
        return max(samples)

    return stop


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="number of processes per writer")
    parser.add_argument("--steps", type=int, default=20, help="steps without pause")
    parser.add_argument("--idle-steps", type=int, default=5, help="steps with an idle writer")
    args = parser.parse_args()

    results: dict[str, list[dict[str, Any]]] = {title: [] for title in WRITERS}
    for _ in range(args.rounds):
        for title, module in WRITERS.items():
            with tempfile.TemporaryDirectory() as place:
                target, file = Path(place, "runs", "net"), Path(place, "result")
                arguments = json.dumps(
                    {"module": module, "folder": str(target), "steps": args.steps, "idle_steps": args.idle_steps}
                )
                command = [sys.executable, "-m", "benchmarks.child", "histograms:measure", arguments, str(file)]
                subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
                results[title].append(json.loads(file.read_text()))

    print(f"{len(resnet18_shapes())} tensors per step, {args.steps} steps without pause, {args.rounds} processes")
    print(f"{'':16}{'one step':>12}{'without pause':>16}{'memory':>10}{'close()':>10}")
    for title, rounds in results.items():
        cost = statistics.median(cost for result in rounds for cost in result["costs"])
        rate, memory, close_s = (
            statistics.median(result[key] for result in rounds) for key in ("rate", "memory", "close_s")
        )
        print(f"{title:16}{cost:9.1f} ms{rate:14.0f}/s{memory:7.0f} MB{close_s:8.2f} s")


if __name__ == "__main__":
    main()
