"""Program behind `make bench`. It measures runfolio and its peers in one run, and writes `docs/benchmarks.md`.

python -m benchmarks                                 everything; takes about twelve minutes
python -m benchmarks --quick                         a smoke run that only prints; its results are not reliable
python -m benchmarks --loggers runfolio trackio      only some loggers; the results are only printed
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import alone, machine, page, peers, venvs
from benchmarks.loggers import LOGGERS
from benchmarks.page import Results
from benchmarks.parts import PAGE, replace_part
from benchmarks.venvs import InstallError

QUICK_LOGGERS = ("floor", "runfolio", "runfolio-sealing", "tensorboardx", "trackio")
"""Loggers of a smoke run, which start quickly."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="do a smoke run of less than a minute, with unreliable results"
    )
    parser.add_argument(
        "--loggers", nargs="+", choices=LOGGERS, metavar="NAME", help=f"loggers to measure: {', '.join(LOGGERS)}"
    )
    parser.add_argument("--page", type=Path, help=f"file for the results; default: {PAGE.name}, for complete runs")
    args = parser.parse_args()

    loggers = args.loggers or (QUICK_LOGGERS if args.quick else tuple(LOGGERS))
    console = Console()
    text = page.render(_measure(loggers, console, quick=args.quick))
    target = args.page or (None if args.quick or args.loggers else PAGE)
    if target is None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    else:
        replace_part(target, text)
        console.print(f"wrote the results to {target}")


def _measure(loggers: Sequence[str], console: Console, *, quick: bool) -> Results:
    effort, size = (peers.QUICK, alone.QUICK) if quick else (peers.FULL, alone.FULL)
    about = machine.describe()
    with Progress(
        TimeElapsedColumn(), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), console=console
    ) as progress:
        task = progress.add_task("", total=None)
        skipped: dict[str, str] = {}

        def installed(title: str, find: Callable[[], Path]) -> Path | None:
            progress.update(task, description=f"environment of {title}")
            try:
                return find()
            except InstallError as error:
                skipped[f"{title}, which could not be installed"] = str(error)
                console.print(f"{title} is left out: {error}", markup=False)
                return None

        interpreters = {
            name: installed(LOGGERS[name].title, partial(venvs.python, LOGGERS[name].environment)) for name in loggers
        }
        pythons = {name: python for name, python in interpreters.items() if python is not None}
        # Nothing is installed if no peer is measured.
        wants_peers = any(LOGGERS[name].environment for name in loggers)
        msgpack = installed("msgpack", partial(venvs.packages, "encodings")) if wants_peers else None
        progress.reset(task, total=peers.steps(pythons, effort) + alone.steps(size))

        def report(text: str) -> None:
            progress.update(task, advance=1, description=text)
            if not console.is_terminal:  # no bar is drawn
                console.print(text, markup=False)

        measured = peers.measure(pythons, effort, report)
        return Results(about, effort, measured, alone.measure(size, msgpack and str(msgpack), report), skipped)


if __name__ == "__main__":
    main()
