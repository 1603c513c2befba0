"""Accuracy of the classifier heads that the usual loop and runfolio train. The results are written to
`docs/benchmarks.md`.

python -m benchmarks.series_accuracy --data pizza_steak_sushi.zip --weights mobilenet_v2.pth --kept usual.json
python -m benchmarks.series_accuracy --quick     a smoke run on a few tiny pictures that only prints

Three loops are compared, with five seeds each: (a) the usual loop, (b) the same loop with the backbone in eval mode,
and (c) `runfolio series` on the same images. All loops train without a validation split, and are compared by the
accuracy after the last epoch. The weights are torchvision's ImageNet weights of mobilenet_v2. The benchmark takes about
20 minutes. (a) and (b) need most of this time. The results of (a) and (b) do not depend on runfolio. They are stored in
the file `--kept` and are not measured again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

import runfolio
from benchmarks import machine, parts, processes
from benchmarks.series import REAL, random_weights, tiny_data
from benchmarks.usual import unpack
from benchmarks.venvs import ROOT
from runfolio.query.selection.significance import Interval, mean_interval

LOOPS = {"usual": "(a) the usual loop", "frozen": "(b) ... with the backbone in eval mode", "ours": "(c) runfolio"}

Right = dict[int, list[int]]
"""Number of correctly predicted test images after each epoch, keyed by seed."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """Amount of work to measure."""

    data: str
    """Zip of images."""
    weights: str
    seeds: tuple[int, ...]
    epochs: int
    pixels: int


@dataclass
class Results:
    """All results of one benchmark run."""

    about: Mapping[str, str]
    size: Size
    right: dict[str, Right]
    """Results keyed by loop."""
    images: int
    """Number of test images."""


class SavedFigures:
    """Saved results of the usual loop, stored in a JSON file if one is given."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._figures: dict[str, dict[str, list[int]]] = {}
        if file is not None and file.exists():
            self._figures = json.loads(file.read_text())

    def get(self, loop: str, seed: int) -> list[int] | None:
        return self._figures.get(loop, {}).get(str(seed))

    def put(self, loop: str, seed: int, right: list[int]) -> None:
        self._figures.setdefault(loop, {})[str(seed)] = right
        if self._file is not None:
            self._file.write_text(json.dumps(self._figures, indent=1))


def measure(size: Size, saved: SavedFigures, console: Console) -> Results:
    right: dict[str, Right] = {loop: {} for loop in LOOPS}
    with processes.fresh_workplace() as workplace:
        data = unpack(size.data, workplace.folder)
        for seed in size.seeds:
            for loop in ("usual", "frozen"):
                right_counts = saved.get(loop, seed)
                if right_counts is None:
                    cost, figures = processes.measure_function(
                        "usual:accuracy",
                        workplace,
                        data=str(data),
                        weights=size.weights,
                        seed=seed,
                        epochs=size.epochs,
                        pixels=size.pixels,
                        truly_frozen=loop == "frozen",
                    )
                    right_counts = figures["right"]
                    saved.put(loop, seed, right_counts)
                    console.print(f"{LOOPS[loop]}, seed {seed}: {right_counts}, {cost.wall_s:.0f} s")
                right[loop][seed] = right_counts
    right["ours"], images = _ours(size)
    console.print(f"{LOOPS['ours']}: {right['ours']}")
    return Results(machine.describe_torch(), size, right, images)


def _ours(size: Size) -> tuple[Right, int]:
    """Run `runfolio series`, and return its results and the number of test images."""
    with processes.fresh_workplace() as workplace:
        store = workplace.folder / "store"
        command = [sys.executable, "-m", "runfolio", "series", str(ROOT / "series" / "foodvision.yaml")]
        command += ["--model", REAL, "--weights", size.weights, "--data", f"zip:{size.data}"]
        command += ["--test-data", f"zip:{size.data}", "--test-at", "epoch", "--val-fraction", "0"]
        command += ["--epochs", str(size.epochs), "--image-size", str(size.pixels), "--store", str(store)]
        command += ["--seed", *map(str, size.seeds)]
        processes.measure_command(command, workplace)
        right, images = Right(), 0
        for run in runfolio.open(store).runs():
            images = int(run.flat_summary["test/images"])
            accuracies = run.metric("test/acc").values[: size.epochs]
            right[int(run.flat_config["seed"])] = [round(accuracy * images) for accuracy in accuracies]
        return right, images


def render(results: Results) -> str:
    size, images = results.size, results.images
    seeds = sorted(size.seeds)
    last = {loop: [right[seed][-1] for seed in seeds] for loop, right in results.right.items()}
    rows = [
        [
            LOOPS[loop],
            ", ".join(map(str, counts)),
            f"{statistics.fmean(counts) / images:.3f}",
            _between(mean_interval([count / images for count in counts])),
            ", ".join(map(str, results.right[loop][seeds[0]])),
        ]
        for loop, counts in last.items()
    ]
    seed_range = f"{seeds[0]} to {seeds[-1]}"
    columns = ["", f"correct of {images}, last epoch, seeds {seed_range}", "mean accuracy", "95 % interval"]
    columns += [f"correct after each epoch, seed {seeds[0]}"]
    frozen, usual = (_differences(last["ours"], last[loop], images) for loop in ("frozen", "usual"))
    differences = [
        ["(c) - (b)", *_difference(frozen), "equal within the interval", _met(_equal(frozen))],
        ["(c) - (a)", *_difference(usual), "not worse", _met(_not_worse(usual))],
    ]
    return f"""# Accuracy of the classic series

Generated by `python -m benchmarks.series_accuracy`; do not edit. A new head on {REAL} with the weights of
`{Path(size.weights).name}` is trained for {size.epochs} epochs on all training images of `{Path(size.data).stem}`. Each
loop trains it with {len(seeds)} seeds. Correct predictions are counted image by image. (a) and (b) are
`benchmarks/usual.py`, which resizes each image to a square of {size.pixels} pixels. (c) is `runfolio series` without a
validation split, which prepares images as the weights expect.

{parts.table(["machine", ""], results.about.items(), left=2)}

{parts.table(columns, rows, left=2)}

{parts.table(["difference", "mean", "95 % interval (Student's t)", "target", "met"], differences, left=1)}
"""


def _differences(first: Sequence[int], second: Sequence[int], images: int) -> list[float]:
    """Return the difference of the accuracies for each seed."""
    return [(a - b) / images for a, b in zip(first, second, strict=True)]


def _difference(values: Sequence[float]) -> list[str]:
    return [f"{statistics.fmean(values):+.3f}", _between(mean_interval(values), "{:+.3f}")]


def _equal(values: Sequence[float]) -> bool:
    interval = mean_interval(values)
    return interval is not None and interval.low <= 0 <= interval.high


def _not_worse(values: Sequence[float]) -> bool:
    """Return whether the interval is not entirely below 0."""
    interval = mean_interval(values)
    return interval is not None and interval.high >= 0


def _met(target: bool) -> str:
    return "yes" if target else "**no**"


def _between(interval: Interval | None, text: str = "{:.3f}") -> str:
    return "-" if interval is None else f"{text.format(interval.low)} to {text.format(interval.high)}"


def main() -> None:
    parser = parts.arguments(__doc__)
    parser.add_argument("--data", metavar="ZIP", help="zip with 10 percent of the images of pizza, steak and sushi")
    parser.add_argument("--weights", metavar="FILE", help="torchvision's ImageNet weights of mobilenet_v2 (.pth)")
    parser.add_argument(
        "--kept", type=Path, metavar="JSON", help="file with the results of (a) and (b), which are not measured again"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(_size(parser, args, Path(folder)), SavedFigures(args.kept), Console(stderr=True))
    parts.write_or_print(render(results), args)


def _size(parser: argparse.ArgumentParser, args: argparse.Namespace, folder: Path) -> Size:
    if args.quick:
        data = tiny_data(folder, 1, pixels=40)
        return Size(data=data, weights=random_weights(REAL, folder), seeds=(42, 43), epochs=2, pixels=32)
    files = [
        parts.existing_file(parser, name, value) for name, value in (("--data", args.data), ("--weights", args.weights))
    ]
    return Size(data=files[0], weights=files[1], seeds=tuple(range(42, 47)), epochs=5, pixels=224)


if __name__ == "__main__":
    main()
