"""Speed of a classic series of experiments, trained with the usual loop and with `runfolio series`. The results are
written to `docs/benchmarks.md`.

python -m benchmarks.series --data pizza_steak_sushi.zip pizza_steak_sushi_20_percent.zip --weights mobilenet_v2.pth
python -m benchmarks.series --quick              a smoke run on a few tiny pictures that only prints

The weights are torchvision's ImageNet weights of mobilenet_v2. The benchmark takes about half an hour. The usual loop
needs most of this time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console

from benchmarks import machine, parts, processes
from benchmarks.processes import ProcessCost, Workplace
from benchmarks.venvs import ROOT
from runfolio.vision._torchvision import models

REAL = "mobilenet_v2"
"""Network with pretrained weights. The usual loop trains its series completely."""
TARGET = 20
_SEED = 42


@dataclass(frozen=True, kw_only=True)
class Size:
    """Amount of work to measure."""

    data: tuple[str, ...]
    """Zips of images. All cells (combinations of settings) use the test images of the first zip."""
    epochs: tuple[int, ...]
    pixels: int
    repeats: int
    projected: tuple[str, ...]
    """Networks with random weights, for which the usual loop trains only one epoch per cell."""


@dataclass
class Ours:
    """Costs of `runfolio series` with an empty cache and with a filled cache. Each series runs in a fresh process and
    store."""

    cold: list[ProcessCost] = field(default_factory=list)
    warm: list[ProcessCost] = field(default_factory=list)


@dataclass
class Results:
    """All results of one benchmark run."""

    about: Mapping[str, str]
    size: Size
    weights: str
    """Weights file of `REAL`."""
    usual: dict[str, ProcessCost]
    """Cost of the usual loop, keyed by network. For networks with random weights, the CPU time covers only one epoch
    per cell."""
    ours: dict[str, Ours]
    sampled: dict[str, float]
    """Seconds of `runfolio series` for `REAL` with an empty cache, keyed by part."""
    sampled_s: float
    """Total seconds of the profiled process, including its start and end."""


def measure(size: Size, weights: Mapping[str, str], about: Mapping[str, str], report: Callable[[str], None]) -> Results:
    """Measure everything. `weights` maps each network to its weights file."""
    ours = {}
    report(f"{REAL}: the usual loop, the whole series")
    with processes.fresh_workplace() as workplace:
        cost, _ = processes.measure_function(
            "usual:series", workplace, **_usual_arguments(size, workplace, {REAL: weights[REAL]})
        )
    usual = {REAL: cost}
    ours[REAL] = _measure_ours(size, REAL, weights[REAL], size.repeats, report)
    report(f"{REAL}: profile of runfolio")
    with processes.fresh_workplace() as workplace:
        result = workplace.folder / "sampled.json"
        command = [
            sys.executable,
            "-m",
            "benchmarks.sampler",
            str(result),
            *_series_command(size, REAL, weights[REAL], workplace),
        ]
        sampled_s = processes.measure_command(command, workplace).wall_s
        sampled = json.loads(result.read_text())["parts"]
    for name in size.projected:
        report(f"{name}: the usual loop, one epoch per cell")
        with processes.fresh_workplace() as workplace:
            cost, cells = processes.measure_function(
                "usual:series", workplace, **_usual_arguments(size, workplace, {name: weights[name]}), only_epochs=1
            )
        usual[name] = ProcessCost(cost.wall_s + sum(map(_skipped_seconds, cells)), cost.cpu_s)
        ours[name] = _measure_ours(size, name, weights[name], 1, report)
    return Results(about, size, weights[REAL], usual, ours, sampled, sampled_s)


def _usual_arguments(size: Size, workplace: Workplace, nets: Mapping[str, str]) -> dict[str, Any]:
    return {
        "folder": str(workplace.folder),
        "data": size.data,
        "nets": dict(nets),
        "epochs": size.epochs,
        "pixels": size.pixels,
        "seed": _SEED,
    }


def _skipped_seconds(cell: Mapping[str, Any]) -> float:
    """Return the estimated seconds of the skipped epochs, based on the mean duration of the trained epochs."""
    return (cell["epochs"] - len(cell["seconds"])) * statistics.fmean(cell["seconds"])


def _measure_ours(size: Size, name: str, weights: str, repeats: int, report: Callable[[str], None]) -> Ours:
    ours = Ours()
    for number in range(1, repeats + 1):
        with processes.fresh_workplace() as workplace:
            for state, costs in (("an empty", ours.cold), ("a filled", ours.warm)):
                report(f"{name}: runfolio with {state} cache, {number} of {repeats}")
                command = [sys.executable, "-m", "runfolio", *_series_command(size, name, weights, workplace)]
                costs.append(processes.measure_command(command, workplace))
    return ours


def _series_command(size: Size, name: str, weights: str, workplace: Workplace) -> list[str]:
    """Return command-line arguments as a user would write them. Each call selects a new store."""
    return [
        *("series", str(ROOT / "series" / "foodvision.yaml")),
        *("--model", name),
        *("--weights", weights),
        *("--data", *(f"zip:{file}" for file in size.data)),
        *("--test-data", f"zip:{size.data[0]}"),
        *("--epochs", *map(str, size.epochs)),
        *("--image-size", str(size.pixels)),
        *("--store", tempfile.mkdtemp(prefix="store-", dir=workplace.folder)),
    ]


def render(results: Results) -> str:
    return "\n\n".join([_head(results), _times(results), _parts(results)]) + "\n"


def _head(results: Results) -> str:
    size = results.size
    data = " and ".join(f"`{Path(file).stem}`" for file in size.data)
    epochs = " and ".join(map(str, size.epochs))
    return f"""# The classic series

Generated by `python -m benchmarks.series`; do not edit. The series is `series/foodvision.yaml` with the networks below.
It trains a new head on a frozen network for each combination of {data} with {epochs} epochs. Images have
{size.pixels} pixels, and all runs use one test set. {REAL} has the weights of `{Path(results.weights).name}`. The other
networks have random weights, so only their times are meaningful.

The usual loop is `benchmarks/usual.py`: plain PyTorch with SummaryWriter, as tutorials teach it. "Ours" is
`runfolio series` with everything that it does by default: record, watch, checkpoints, figures and event files.

Both start with the zips, and run on the same machine with the same number of threads. Each process is timed from its
start to its end. "Ours" uses a fifth of the training images for validation, so both process equally many images. The
cache is empty for the first series and filled for the next series.

{parts.table(["machine", ""], results.about.items(), left=2)}"""


def _times(results: Results) -> str:
    rows = []
    for name, usual in results.usual.items():
        ours, is_whole = results.ours[name], name == REAL
        cold, warm = (statistics.median(cost.wall_s for cost in costs) for costs in (ours.cold, ours.warm))
        rows.append(
            [
                name,
                "measured" if is_whole else "projected from one epoch per cell",
                f"{usual.wall_s:,.0f}",
                f"{usual.cpu_s:,.0f}" if is_whole else "-",
                _seconds([cost.wall_s for cost in ours.cold]),
                _seconds([cost.cpu_s for cost in ours.cold]),
                f"{usual.wall_s / cold:.1f} x",
                _seconds([cost.wall_s for cost in ours.warm]),
                f"{usual.wall_s / warm:.0f} x",
            ]
        )
    columns = ["", "usual loop", "seconds", "CPU seconds", "ours, empty cache, seconds", "CPU seconds", "speedup"]
    columns += ["ours, filled cache, seconds", "speedup"]
    ratio = results.usual[REAL].wall_s / statistics.median(cost.wall_s for cost in results.ours[REAL].cold)
    met = "met" if ratio >= TARGET else "**not met**"
    return (
        f"{parts.table(columns, rows, left=2)}\n\n"
        f"Our seconds are the median (and range) of {results.size.repeats} series for {REAL}, and of one series for the"
        " other networks. CPU seconds include all processes of a series except the one that copies the console.\n\n"
        f"Target: {REAL} is trained {TARGET} x faster with an empty cache. It is {ratio:.1f} x: {met}."
    )


def _parts(results: Results) -> str:
    ends = results.sampled_s - sum(results.sampled.values())
    rows = [[part, f"{seconds:.1f}"] for part, seconds in results.sampled.items()]
    return (
        f"## Time of `runfolio series` by part\n\nAnother series of {REAL} with an empty cache, profiled by"
        " `benchmarks/sampler.py`: seconds that the main thread spent in each part.\n\n"
        + parts.table(["", "s"], [*rows, ["start and end of the process", f"{ends:.1f}"]], left=1)
    )


def _seconds(values: Sequence[float]) -> str:
    middle = f"{statistics.median(values):.1f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.1f} to {max(values):.1f})"


def random_weights(name: str, folder: Path) -> str:
    """Save the initial weights of a torchvision network, with a fixed seed, and return the path of the file."""
    torch.manual_seed(_SEED)
    file = folder / f"{name}.pth"
    torch.save(models.get_model(name, weights=None).state_dict(), file)
    return str(file)


def tiny_data(folder: Path, share: int, pixels: int) -> str:
    """Write a zip of a few noisy images in three colours, and return its path."""
    generator = np.random.default_rng(share)
    file = folder / f"colours_{share}.zip"
    with zipfile.ZipFile(file, "w") as packed:
        for split, count in (("train", 8 * share), ("test", 4)):
            for shade, name in enumerate(("red", "green", "blue")):
                for number in range(count):
                    picture = generator.integers(0, 128, (pixels, pixels, 3), dtype=np.uint8)
                    picture[..., shade] += 100
                    bytes_ = BytesIO()
                    Image.fromarray(picture).save(bytes_, "jpeg")
                    packed.writestr(f"{split}/{name}/{number}.jpg", bytes_.getvalue())
    return str(file)


def main() -> None:
    parser = parts.arguments(__doc__)
    parser.add_argument(
        "--data", nargs=2, metavar="ZIP", help="zips with 10 and 20 percent of the images of pizza, steak and sushi"
    )
    parser.add_argument("--weights", metavar="FILE", help="torchvision's ImageNet weights of mobilenet_v2 (.pth)")
    args = parser.parse_args()
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory() as folder:
        size, weights = _quick(Path(folder)) if args.quick else _full(parser, args, Path(folder))
        results = measure(size, weights, machine.describe_torch(), lambda text: console.print(text, markup=False))
    parts.write_or_print(render(results), args)


def _quick(folder: Path) -> tuple[Size, dict[str, str]]:
    """Return the size of a smoke run, and the weights file of each network."""
    data = tuple(tiny_data(folder, share, pixels=40) for share in (1, 2))
    size = Size(data=data, epochs=(1, 2), pixels=32, repeats=1, projected=("efficientnet_b0",))
    return size, {name: random_weights(name, folder) for name in (REAL, *size.projected)}


def _full(parser: argparse.ArgumentParser, args: argparse.Namespace, folder: Path) -> tuple[Size, dict[str, str]]:
    weights = parts.existing_file(parser, "--weights", args.weights)
    data = tuple(parts.existing_file(parser, "--data", file) for file in args.data or (None,))
    size = Size(data=data, epochs=(5, 10), pixels=224, repeats=3, projected=("efficientnet_b0", "efficientnet_b2"))
    return size, {REAL: weights, **{name: random_weights(name, folder) for name in size.projected}}


if __name__ == "__main__":
    main()
