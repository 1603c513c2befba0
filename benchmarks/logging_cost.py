"""What one log call costs the training thread, beside a bare list append and torch's SummaryWriter, in one run.

    make bench            # or: python benchmarks/logging_cost.py --calls 20000 --rounds 5

Each round times every logger once, in turn, so that a machine whose speed drifts treats them alike; the table gives the
median over rounds of the mean cost a call, and its ratio to SummaryWriter's in the same round.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

import runfolio


def list_append(folder: Path, calls: int, values: dict[str, float]) -> float:
    """The least any logger could do: take the clock, copy the dict, keep it."""
    kept = []
    began = time.perf_counter()
    for step in range(calls):
        kept.append((time.time(), step, dict(values)))
    return time.perf_counter() - began


def runfolio_log(folder: Path, calls: int, values: dict[str, float], *, tensorboard: bool = False) -> float:
    with runfolio.init("bench", store=folder, tensorboard=tensorboard) as run:
        began = time.perf_counter()
        for step in range(calls):
            run.log(values, step=step)
        return time.perf_counter() - began


def runfolio_durable(folder: Path, calls: int, values: dict[str, float], *, tensorboard: bool = False) -> float:
    """Until everything is handed to the operating system."""
    with runfolio.init("bench", store=folder, tensorboard=tensorboard) as run:
        began = time.perf_counter()
        for step in range(calls):
            run.log(values, step=step)
        run.flush()
        return time.perf_counter() - began


def summary_writer(folder: Path, calls: int, values: dict[str, float]) -> float:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / "tensorboard"))
    began = time.perf_counter()
    for step in range(calls):
        for name, value in values.items():
            writer.add_scalar(name, value, step)
    elapsed = time.perf_counter() - began
    writer.close()
    return elapsed


LOGGERS: dict[str, Callable[[Path, int, dict[str, float]], float]] = {
    "list.append with a clock": list_append,
    "runfolio, the call": runfolio_log,
    "runfolio, until durable": runfolio_durable,
    "the call, with tensorboard=True": partial(runfolio_log, tensorboard=True),
    "until durable, with tensorboard=True": partial(runfolio_durable, tensorboard=True),
    "SummaryWriter, the call": summary_writer,
}
REFERENCE = "SummaryWriter, the call"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    console = Console()
    for scalars in (1, 10):
        values = {f"metric/{n}": 1.0 / (n + 1) for n in range(scalars)}
        cost: dict[str, list[float]] = {name: [] for name in LOGGERS}
        for _ in range(args.rounds):
            for name, log in LOGGERS.items():
                with tempfile.TemporaryDirectory() as folder:
                    cost[name].append(log(Path(folder), args.calls, values) / args.calls * 1e6)
        table = Table(title=f"{scalars} scalar(s) a call, {args.calls:,} calls, {args.rounds} rounds")
        table.add_column("logger")
        table.add_column("µs a call", justify="right")
        table.add_column("SummaryWriter costs", justify="right")
        for name, each in cost.items():
            ratio = statistics.median(theirs / ours for theirs, ours in zip(cost[REFERENCE], each, strict=True))
            table.add_row(name, f"{statistics.median(each):.2f}", f"{ratio:.1f} x")
        console.print(table)


if __name__ == "__main__":
    main()
