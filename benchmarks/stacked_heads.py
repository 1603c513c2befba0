"""What training the heads of a series together could save, beside what a recorded run of a head takes as a whole.

    python -m benchmarks.stacked_heads --data pizza_steak_sushi_20_percent.zip --weights mobilenet_v2.pth

First the arithmetic alone: a step of Adam of so many linear heads on 1,280 features in batches of 32, head by head and
stacked (one batched product for all of them), and whether both come to the same bits. Then `runfolio train` of such a
head on features that are kept already: from trainings of different lengths follows what a step takes there with all
that is recorded, and what a run takes before its first step and behind its last.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional

from benchmarks.parts import arguments, given
from runfolio.vision import TrainSettings, run_experiment

FEATURES, CLASSES, BATCH = 1280, 3, 32
HEADS = (1, 2, 8, 64)
Gradients = tuple[torch.Tensor, torch.Tensor]


def apart(weights: torch.Tensor, biases: torch.Tensor, features: torch.Tensor, labels: torch.Tensor) -> Gradients:
    """[heads, classes, features] and [heads, 1, classes] gradients of the mean loss, head by head."""
    found = []
    for head in range(len(weights)):
        weight, bias = weights[head].detach().requires_grad_(), biases[head, 0].detach().requires_grad_()
        functional.cross_entropy(functional.linear(features, weight, bias), labels).backward()
        found.append((weight.grad, bias.grad))
    return torch.stack([weight for weight, _ in found]), torch.stack([bias for _, bias in found])[:, None]


def together(weights: torch.Tensor, biases: torch.Tensor, features: torch.Tensor, labels: torch.Tensor) -> Gradients:
    """The same by one batched product."""
    heads = len(weights)
    weights, biases = weights.detach().requires_grad_(), biases.detach().requires_grad_()
    logits = torch.baddbmm(biases, features.expand(heads, -1, -1), weights.transpose(1, 2))
    loss = functional.cross_entropy(logits.flatten(0, 1), labels.repeat(heads), reduction="sum") / len(labels)
    of_weights, of_biases = torch.autograd.grad(loss, (weights, biases))
    return of_weights, of_biases


def step_ms(gradients: Callable[..., Gradients], heads: int, steps: int) -> float:
    """Of all the heads, with their optimizer: one for each where they train apart, one for all where together."""
    features, labels = torch.randn(BATCH, FEATURES), torch.randint(CLASSES, (BATCH,))
    weights, biases = torch.randn(heads, CLASSES, FEATURES) / FEATURES**0.5, torch.zeros(heads, 1, CLASSES)
    whole = gradients is together
    groups = [(weights, biases)] if whole else list(zip(weights, biases, strict=True))
    optimizers = [torch.optim.Adam(group, lr=1e-3) for group in groups]
    took = []
    for _ in range(steps):
        began = time.perf_counter()
        of_weights, of_biases = gradients(weights, biases, features, labels)
        each = [(of_weights, of_biases)] if whole else zip(of_weights, of_biases, strict=True)
        for group, optimizer, found in zip(groups, optimizers, each, strict=True):
            for parameter, gradient in zip(group, found, strict=True):
                parameter.grad = gradient
            optimizer.step()
        took.append(time.perf_counter() - began)
    return 1000 * statistics.median(took)


def are_equal(heads: int) -> bool:
    torch.manual_seed(heads)
    features, labels = torch.randn(BATCH, FEATURES), torch.randint(CLASSES, (BATCH,))
    weights, biases = torch.randn(heads, CLASSES, FEATURES) / FEATURES**0.5, torch.randn(heads, 1, CLASSES)
    pairs = zip(*(way(weights, biases, features, labels) for way in (apart, together)), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


def run_s(settings: TrainSettings, place: Path) -> float:
    began = time.perf_counter()
    run_experiment(settings, store=place)
    return time.perf_counter() - began


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", help="a zip of images, one folder a class")
    parser.add_argument("--weights", help="a file of mobilenet_v2's weights")
    args = parser.parse_args()
    steps = 20 if args.quick else 500
    print("ms a step of all heads")
    print(f"{'heads':>6}{'apart':>9}{'together':>10}{'x':>7}   same bits")
    for heads in HEADS:
        one, other = (step_ms(way, heads, steps) for way in (apart, together))
        print(f"{heads:6}{one:9.2f}{other:10.2f}{one / other:7.1f}   {'yes' if are_equal(heads) else 'no'}")
    if args.quick:
        return
    data, weights = given(parser, "--data", args.data), given(parser, "--weights", args.weights)
    common = {"data": f"zip:{data}", "model": "mobilenet_v2", "weights": weights, "freeze_backbone": True}
    short, long, rounds = 5, 45, 5
    with tempfile.TemporaryDirectory(dir=".") as place:
        settings = {epochs: TrainSettings(**common, epochs=epochs, lr=1e-3) for epochs in (short, long)}
        run_s(settings[short], Path(place))  # computes the features
        took = {epochs: [run_s(each, Path(place)) for _ in range(rounds)] for epochs, each in settings.items()}
    epoch_s = statistics.median(b - a for a, b in zip(took[short], took[long], strict=True)) / (long - short)
    fixed_s = statistics.median(took[short]) - short * epoch_s
    print(f"a recorded run: {fixed_s:.2f} s and {1000 * epoch_s:.1f} ms an epoch, on features that are kept")


if __name__ == "__main__":
    main()
