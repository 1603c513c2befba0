"""`runfolio plot`: curves as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from runfolio.cli import output as out
from runfolio.cli.options import Command, experiment_filter, open_store, store_option


@click.command(cls=Command)
@click.argument("metric")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option(
    "--out", "path", type=click.Path(path_type=Path), help="The picture: .png, .svg or .pdf.  [default: METRIC.png]"
)
@experiment_filter
@store_option
def plot(metric: str, runs: tuple[str, ...], path: Path | None, experiment: str | None, store: Path | None) -> None:
    """Draw a metric's curves into one picture.

    One curve a run: of the runs named, else of all in the store or experiment; the legend names the best first.

    \b
    runfolio plot val/acc
    runfolio plot train/loss k3f9 a7x2 --out losses.svg
    runfolio plot val/acc --experiment digits
    """
    from runfolio.query.plot import save_plot
    from runfolio.record.layout import slug

    folio = open_store(store)
    chosen = [folio.run(name) for name in runs] or list(folio.runs(experiment))
    path = path or Path(f"{slug(metric)}.png")
    without = save_plot(metric, chosen, path)
    drawn = len(chosen) - len(without)
    out.line(f"{metric} of {drawn} {'run' if drawn == 1 else 'runs'}: {path}")
    out.warn([f"no {metric} in {label}" for label in without])
