"""Cost of a checkpoint for the training thread, compared with a bare copy of the state and with `torch.save`.

    python -m benchmarks.checkpoint_cost

The state has the size of a ResNet-18 with Adam, 140 MB: 11.7 million weights, and two moments for each weight. Between
two checkpoints, the loop trains a small network for a while. "step" is the median time of these training steps.
"slowest step" is their maximum, which shows how much writing a checkpoint slows down training.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

import runfolio

WEIGHTS = 11_700_000
LAYERS = 62


def large() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """Return a network with the size and number of tensors of a ResNet-18, and its Adam optimizer after one step."""
    side = int((WEIGHTS / LAYERS) ** 0.5)
    model = torch.nn.Sequential(*(torch.nn.Linear(side, side, bias=False) for _ in range(LAYERS)))
    optimizer = torch.optim.Adam(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    return model, optimizer


def tensors(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    moments = [entry for state in optimizer.state.values() for entry in state.values()]
    return [*model.state_dict().values(), *moments]


def measured(save: Callable[[int], object], rounds: int, pause_s: float) -> tuple[list[float], float, float]:
    """Return the seconds of each save. Also return the median and maximum seconds of the training steps between
    saves."""
    small = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1))
    images = torch.randn(32, 64)
    costs, steps = [], []
    for number in range(rounds):
        began = time.perf_counter()
        save(number)
        costs.append(time.perf_counter() - began)
        until = time.perf_counter() + pause_s
        while (now := time.perf_counter()) < until:
            small(images).square().mean().backward()
            steps.append(time.perf_counter() - now)
    return costs, statistics.median(steps), max(steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="number of saves of each kind")
    parser.add_argument("--pause", type=float, default=2.0, help="seconds of training between two checkpoints")
    args = parser.parse_args()

    model, optimizer = large()
    megabytes = 3 * sum(parameter.nbytes for parameter in model.parameters()) / 1e6
    with tempfile.TemporaryDirectory(dir=".") as place:
        file = Path(place, "state.pt")
        with runfolio.init(
            "bench", store=Path(place, "runs"), recording=runfolio.RecordingConfig(console=False)
        ) as run:
            ways: dict[str, Callable[[int], object]] = {
                "a bare copy": lambda _: [tensor.clone() for tensor in tensors(model, optimizer)],
                "run.checkpoint": lambda step: run.checkpoint(model=model, optimizer=optimizer, step=step),
                "torch.save": lambda _: torch.save((model.state_dict(), optimizer.state_dict()), file),
            }
            print(f"{megabytes:.0f} MB, {args.rounds} saves of each kind; milliseconds")
            print(f"{'':16}{'median':>8}{'p99':>8}{'max':>8}{'step':>8}{'slowest step':>14}")
            for name, save in ways.items():
                costs, step, slowest = measured(save, args.rounds, args.pause)
                costs.sort()
                p99 = costs[min(len(costs) - 1, int(len(costs) * 0.99))]
                figures = (statistics.median(costs), p99, costs[-1], step)
                print(f"{name:16}" + "".join(f"{1000 * each:8.1f}" for each in figures) + f"{1000 * slowest:14.1f}")


if __name__ == "__main__":
    main()
