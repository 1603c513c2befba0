"""Cost of a run in a series, for classifier heads on cached features and for trivial runs. The results are written to
`docs/benchmarks.md`.

python -m benchmarks.series_cost --data pizza_steak_sushi_20_percent.zip --weights mobilenet_v2.pth
python -m benchmarks.series_cost --quick         a smoke run on a few tiny pictures that only prints
python -m benchmarks.series_cost ... --against ../before/src    compare with another version; only prints

The weights are torchvision's ImageNet weights of mobilenet_v2. The benchmark takes about five minutes.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from benchmarks import machine, parts, processes
from benchmarks.processes import ProcessCost, Workplace
from benchmarks.series import REAL, random_weights, tiny_data

_LOWEST, _HIGHEST = 1e-4, 1e-2
_TRIVIAL = ("--data", "digits", "--data-fraction", "0.02", "--model", "mlp", "--hidden-units", "4", "--epochs", "1")


@dataclass(frozen=True, kw_only=True)
class Size:
    """Amount of work to measure."""

    data: str
    """Zip of images."""
    weights: str
    heads: int
    epochs: int
    pixels: int
    trivial_runs: int
    rounds: int


@dataclass
class Measured:
    """Costs of whole series with one version of runfolio. Each series runs in a fresh process and store."""

    heads: list[ProcessCost] = field(default_factory=list)
    single: list[ProcessCost] = field(default_factory=list)
    """Costs of series with a single trivial run, which trains for a very short time."""
    several: list[ProcessCost] = field(default_factory=list)
    """Costs of series with `Size.trivial_runs` trivial runs."""

    def per_run_ms(self, runs: int) -> list[float]:
        """Return the milliseconds that each run adds to a series, one value per round."""
        pairs = zip(self.single, self.several, strict=True)
        return [(several.wall_s - single.wall_s) / (runs - 1) * 1000 for single, several in pairs]


@dataclass
class Results:
    """All results of one benchmark run."""

    about: Mapping[str, str]
    size: Size
    versions: dict[str, Measured]
    """Measurements keyed by the name of the version. The first version is the current version."""


def measure(
    size: Size, sources: Mapping[str, Path | None], about: Mapping[str, str], report: Callable[[str], None]
) -> Results:
    """Run the series of all versions. Each round runs every series once.

    Args:
        sources: Source folder of each version, keyed by name. None stands for the installed version.
        report: Function that is called with a line about the progress.
    """
    versions = {name: Measured() for name in sources}
    with processes.fresh_workplace() as workplace:
        report("computing the features")
        _spend_on_heads(size, workplace, None, heads=1, epochs=1)
        for number in range(1, size.rounds + 1):
            for name, source in sources.items():
                report(f"{name}: round {number} of {size.rounds}")
                versions[name].heads.append(
                    _spend_on_heads(size, workplace, source, heads=size.heads, epochs=size.epochs)
                )
                versions[name].single.append(_spend_on_trivial_runs(workplace, source, 1))
                versions[name].several.append(_spend_on_trivial_runs(workplace, source, size.trivial_runs))
    return Results(about, size, versions)


def _spend_on_heads(size: Size, workplace: Workplace, source: Path | None, *, heads: int, epochs: int) -> ProcessCost:
    rates = [_LOWEST * (_HIGHEST / _LOWEST) ** (index / max(heads - 1, 1)) for index in range(heads)]
    words = [
        *("--freeze-backbone", "--model", REAL, "--weights", size.weights, "--data", f"zip:{size.data}"),
        *("--image-size", str(size.pixels), "--epochs", str(epochs), "--lr", *(f"{rate:.3g}" for rate in rates)),
    ]
    return _spend(words, workplace, source)


def _spend_on_trivial_runs(workplace: Workplace, source: Path | None, runs: int) -> ProcessCost:
    return _spend([*_TRIVIAL, "--lr", *(f"{0.001 * (1 + index)}" for index in range(runs))], workplace, source)


def _spend(words: list[str], workplace: Workplace, source: Path | None) -> ProcessCost:
    store = tempfile.mkdtemp(prefix="store-", dir=workplace.folder)
    command = [sys.executable, "-m", "runfolio", "series", *words, "--store", store]
    if source is not None:
        command = [*_with_variable("PYTHONPATH", str(source)), *command]
    return processes.measure_command(command, workplace)


def _with_variable(name: str, value: str) -> list[str]:
    return ["env", f"{name}={os.pathsep.join([value, *filter(None, [os.environ.get(name)])])}"]


def render(results: Results) -> str:
    size = results.size
    rows = []
    for name, measured in results.versions.items():
        per_run = measured.per_run_ms(size.trivial_runs)
        rows.append(
            [
                name,
                _median_and_range([cost.wall_s for cost in measured.heads]),
                _median_and_range([cost.cpu_s for cost in measured.heads]),
                _median_and_range([cost.wall_s for cost in measured.single]),
                f"{statistics.median(per_run):.0f} ({min(per_run):.0f} to {max(per_run):.0f})",
            ]
        )
    columns = ["version", "heads, s", "CPU seconds", "one trivial run, s", "each further trivial run, ms"]
    return f"""# Cost of a run in a series

Generated by `python -m benchmarks.series_cost`; do not edit. The measurements
are whole `runfolio series` commands, each in a fresh process and store, with default recording. "Heads" is a sweep of
{size.heads} learning rates with {size.epochs} epochs each. It trains a new head on a frozen {REAL} with the images of
`{Path(size.data).stem}`, whose features are already cached.

A trivial run trains a small MLP for one epoch on 2 % of the digits. The time of each further run is computed from the
difference between a series of {size.trivial_runs} runs and a series of one run. Values are medians (and ranges) of
{size.rounds} rounds.

{parts.table(["machine", ""], results.about.items(), left=2)}

{parts.table(columns, rows, left=1)}
"""


def _median_and_range(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def main() -> None:
    parser = parts.arguments(__doc__)
    parser.add_argument("--data", metavar="ZIP", help="images, one folder per class")
    parser.add_argument("--weights", metavar="FILE", help="torchvision's ImageNet weights of mobilenet_v2 (.pth)")
    parser.add_argument(
        "--against", metavar="FOLDER", type=Path, help="source folder of another version to compare with"
    )
    args = parser.parse_args()
    console = Console(stderr=True)
    sources = {"current version": None} | ({} if args.against is None else {str(args.against): args.against.resolve()})
    with tempfile.TemporaryDirectory() as folder:
        if args.quick:
            data, weights = tiny_data(Path(folder), 1, pixels=40), random_weights(REAL, Path(folder))
            size = Size(data=data, weights=weights, heads=2, epochs=2, pixels=32, trivial_runs=2, rounds=1)
        else:
            data = parts.existing_file(parser, "--data", args.data)
            weights = parts.existing_file(parser, "--weights", args.weights)
            size = Size(data=data, weights=weights, heads=16, epochs=10, pixels=224, trivial_runs=33, rounds=3)
        results = measure(size, sources, machine.describe_torch(), lambda text: console.print(text, markup=False))
    if args.against is None:
        parts.write_or_print(render(results), args)
    else:
        Console().print(render(results), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
