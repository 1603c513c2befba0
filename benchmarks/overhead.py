"""Overhead of tracking: a tracked training loop compared with a bare loop. The results are written to
`docs/benchmarks.md`.

python -m benchmarks.overhead                    20 pairs of ResNet-18 at 224 px, about ten minutes
python -m benchmarks.overhead --quick            a smoke run on a small network that only prints

Blocks of a few steps with and without runfolio alternate in one process. They use the same network, optimizer and
images, so a pair differs only in tracking. The order changes from pair to pair. Each tracked block is a separate run
with default settings, and runfolio does nothing during a bare block. `watch` records every 100 steps, and the steps of
all tracked blocks are counted together. The time does not include `init`, `finish` and the first step of a block,
because a real training run has only one of each. The time includes a flush at the end of the block. Otherwise, a block
could leave work to the next block.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from rich.console import Console
from torch import nn
from torch.utils.data import DataLoader, Dataset

import runfolio
from benchmarks import machine, parts
from runfolio.query.selection.significance import mean_interval
from runfolio.vision._torchvision import models

LIMIT = 0.03
"""Maximum overhead, as a fraction of the bare time. The upper end of the confidence interval must not exceed it."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """Amount of work to measure."""

    network: str
    pixels: int
    batch: int
    pairs: int
    steps: int
    """Number of timed steps of a block. The first step of a block is not timed."""
    watch: int
    """Number of steps between two records of `watch`. The steps of all tracked blocks are counted together."""

    def first(self, pair: int) -> int:
        """Return the number of the first step of a tracked block. The numbers are chosen so that some blocks include a
        watched step."""
        return self.watch // 2 + 2 + pair * (1 + self.steps)


FULL = Size(network="resnet18", pixels=224, batch=32, pairs=20, steps=4, watch=100)
QUICK = Size(network="squeezenet1_1", pixels=32, batch=4, pairs=3, steps=2, watch=4)


@dataclass
class Results:
    """Seconds of each block. The two blocks of a pair have the same index in `bare` and `tracked`."""

    about: Mapping[str, str]
    size: Size
    bare: list[float] = field(default_factory=list)
    tracked: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        return [tracked / bare for bare, tracked in zip(self.bare, self.tracked, strict=True)]


class Noise(Dataset[tuple[torch.Tensor, int]]):
    """Images [3, pixels, pixels] and labels that cost nothing to load, since a few images are repeated."""

    def __init__(self, size: Size) -> None:
        self._images = torch.randn(size.batch, 3, size.pixels, size.pixels)
        self._length = (1 + size.steps) * size.batch

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self._images[index % len(self._images)], index % 10


class Bench:
    """Training loop that runs in tracked blocks and bare blocks."""

    def __init__(self, size: Size, store: str) -> None:
        torch.manual_seed(42)
        self._size, self._store = size, store
        self._model = models.get_model(size.network, weights=None, num_classes=10)
        self._optimizer = torch.optim.SGD(self._model.parameters(), lr=1e-3, momentum=0.9)
        self._batches = DataLoader(Noise(size), batch_size=size.batch)

    def seconds(self, first: int | None) -> float:
        """Return the seconds that a block takes without its first step.

        Args:
            first: Number of the first step if the block is tracked, or None for a bare block.
        """
        start = first or 0
        with nullcontext() if first is None else self._run() as run:
            if run is not None:
                run.watch(self._model, every=self._size.watch, step=start)
            began = time.perf_counter()
            for step, (images, labels) in enumerate(self._batches, start):
                self._optimizer.zero_grad()
                loss = nn.functional.cross_entropy(self._model(images), labels)
                loss.backward()
                self._optimizer.step()
                if run is not None:
                    run.log({"train/loss": loss}, step=step)
                if step == start:
                    began = time.perf_counter()
            if run is not None:
                run.flush()
            return time.perf_counter() - began

    def _run(self) -> AbstractContextManager[runfolio.Run]:
        return runfolio.init("overhead", store=self._store, config={"network": self._size.network})


def measure(size: Size, about: Mapping[str, str], console: Console) -> Results:
    results = Results(about, size)
    with tempfile.TemporaryDirectory() as store:
        bench = Bench(size, store)
        for first in (None, 1):
            bench.seconds(first)  # warm-up: imports, compilations and allocations happen only once
        for number in range(size.pairs):
            turns = [(results.bare, None), (results.tracked, size.first(number))]
            for blocks, first in turns if number % 2 else reversed(turns):
                blocks.append(bench.seconds(first))
            console.print(f"pair {number + 1} of {size.pairs}: {results.ratios[-1] - 1:+.2%}")
    return results


def render(results: Results) -> str:
    size, ratios = results.size, results.ratios
    interval = mean_interval(ratios)
    assert interval is not None  # several pairs
    rows = [
        ["bare: mean seconds per step", f"{statistics.fmean(results.bare) / size.steps:.3f}"],
        ["tracked: mean seconds per step", f"{statistics.fmean(results.tracked) / size.steps:.3f}"],
        ["tracked / bare, mean of the pairs", f"{statistics.fmean(ratios):.4f}"],
        ["95 % interval of this mean (Student's t)", f"{interval.low:.4f} to {interval.high:.4f}"],
        ["smallest and largest pair", f"{min(ratios):.4f}, {max(ratios):.4f}"],
    ]
    met = "met" if interval.high <= 1 + LIMIT else "**not met**"
    return f"""# Tracking overhead

Generated by `python -m benchmarks.overhead`; do not edit. The whole {size.network} is trained with SGD on images of
{size.pixels} pixels in batches of {size.batch}. There are {size.pairs} pairs of a bare and a tracked block, with
{size.steps} steps each.

A tracked block calls `init` with all defaults (code, console, system metrics) and logs the loss at each step. `watch`
records norms and histograms every {size.watch} steps, counted over all tracked blocks. The time includes a flush at the
end of each block, but not `init`, the first step and `finish`.

{parts.table(["machine", ""], results.about.items(), left=2)}

{parts.table(["", ""], rows, left=1)}

Target: the upper end of the interval is at most {1 + LIMIT:.2f}. It is {interval.high:.4f}: {met}.
"""


def main() -> None:
    args = parts.arguments(__doc__).parse_args()
    size = QUICK if args.quick else FULL
    parts.write_or_print(render(measure(size, machine.describe_torch(), Console(stderr=True))), args)


if __name__ == "__main__":
    main()
