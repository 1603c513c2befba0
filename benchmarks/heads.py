"""A sweep of learning rates over heads on kept features, trained together and one by one; into `docs/benchmarks.md`.

python -m benchmarks.heads --data pizza_steak_sushi_20_percent.zip --weights mobilenet_v2.pth
python -m benchmarks.heads --quick               a smoke run on a few tiny pictures, which only prints

The weights are ImageNet's, of torchvision's mobilenet_v2. Some ten minutes.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks import machine, parts, processes
from benchmarks.processes import Place, Spent
from benchmarks.series import REAL, random_weights, tiny_data

_LOWEST, _HIGHEST = 1e-4, 1e-2


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured."""

    data: str
    """A zip."""
    weights: str
    sweeps: tuple[tuple[int, int], ...]
    """Heads and epochs of each."""
    pixels: int
    rounds: int


@dataclass
class Sweep:
    """The series of so many heads, each in a fresh process and store, in turns."""

    together: list[Spent]
    apart: list[Spent]

    @property
    def ratios(self) -> list[float]:
        """Round by round."""
        return [one.wall_s / other.wall_s for one, other in zip(self.apart, self.together, strict=True)]


@dataclass
class Results:
    """Everything a run of the benchmark found."""

    about: Mapping[str, str]
    size: Size
    sweeps: dict[tuple[int, int], Sweep]


def measure(size: Size, about: Mapping[str, str], tell: Callable[[str], None]) -> Results:
    sweeps = {}
    with processes.place() as where:
        tell("the features")
        _spend(size, where, 1, 1)
        for heads, epochs in size.sweeps:
            found = sweeps[heads, epochs] = Sweep([], [])
            for number in range(1, size.rounds + 1):
                tell(f"{heads} heads, {epochs} epochs: {number} of {size.rounds}")
                found.together.append(_spend(size, where, heads, epochs))
                found.apart.append(_spend(size, where, heads, epochs, "--no-share"))
    return Results(about, size, sweeps)


def _spend(size: Size, where: Place, heads: int, epochs: int, *more: str) -> Spent:
    rates = [_LOWEST * (_HIGHEST / _LOWEST) ** (place / max(heads - 1, 1)) for place in range(heads)]
    words = [
        *("series", "--freeze-backbone", "--model", REAL, "--weights", size.weights, "--data", f"zip:{size.data}"),
        *("--image-size", str(size.pixels), "--epochs", str(epochs), "--lr", *(f"{rate:.3g}" for rate in rates)),
        *("--store", tempfile.mkdtemp(prefix="store-", dir=where.folder), *more),
    ]
    return processes.spend([sys.executable, "-m", "runfolio", *words], where)


def render(results: Results) -> str:
    rows = [
        [
            str(heads),
            str(epochs),
            f"{statistics.median(each.wall_s for each in found.apart):.1f}",
            f"{statistics.median(each.cpu_s for each in found.apart):.1f}",
            f"{statistics.median(each.wall_s for each in found.together):.1f}",
            f"{statistics.median(each.cpu_s for each in found.together):.1f}",
            f"{statistics.median(found.ratios):.2f} x ({min(found.ratios):.2f} to {max(found.ratios):.2f})",
        ]
        for (heads, epochs), found in results.sweeps.items()
    ]
    columns = ["heads", "epochs", "one by one, s", "of processors", "together, s", "of processors", "faster"]
    return f"""# Heads trained together

Written by `python -m benchmarks.heads`; not to be edited. `runfolio series` over as many learning rates, of a new head
on {REAL} frozen, `{Path(results.size.data).stem}`, its features kept from before: with all that is recorded by
default, each run whole. One by one is the same with `--no-share`. Each in a fresh process, timed from its start to its
end, in turns; medians of {results.size.rounds}, and of their ratios the range too.

{parts.table(["machine", ""], results.about.items(), left=2)}

{parts.table(columns, rows, left=0)}
"""


def main() -> None:
    parser = parts.arguments(__doc__)
    parser.add_argument("--data", metavar="ZIP", help="images, one folder a class")
    parser.add_argument("--weights", metavar="FILE", help="ImageNet's, of torchvision's mobilenet_v2 (.pth)")
    args = parser.parse_args()
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory() as place:
        if args.quick:
            data, weights = tiny_data(Path(place), 1, pixels=40), random_weights(REAL, Path(place))
            size = Size(data=data, weights=weights, sweeps=((2, 3),), pixels=32, rounds=1)
        else:
            data = parts.given(parser, "--data", args.data)
            weights = parts.given(parser, "--weights", args.weights)
            sweeps = ((8, 10), (16, 40))
            size = Size(data=data, weights=weights, sweeps=sweeps, pixels=224, rounds=3)
        results = measure(size, machine.describe_torch(), lambda text: console.print(text, markup=False))
    parts.deliver(render(results), args)


if __name__ == "__main__":
    main()
