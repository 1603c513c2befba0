"""`runfolio rename`: change the name of a run."""

from __future__ import annotations

from pathlib import Path

import click

from runfolio.cli.output.console import print_line
from runfolio.cli.output.options import Command, best_metric_option, experiment_option, run_or_best, store_option


@click.command(cls=Command)
@click.argument("run")
@click.argument("name")
@best_metric_option
@experiment_option
@store_option
def rename(run: str, name: str, metric: str, experiment: str | None, store: Path | None) -> None:
    """Change the name of a run.

    The id and the folder of the run do not change, so references to them remain valid. RUN may be `best`.

    \b
    runfolio rename k3f9 baseline
    """
    recorded = run_or_best(run, metric, experiment, store)
    old_name = recorded.name
    recorded.edits.rename(name)
    print_line(f"{old_name} ({recorded.id}) is now {recorded.name}")
