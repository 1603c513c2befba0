"""`runfolio resume`: continue an unfinished run."""

from __future__ import annotations

from pathlib import Path

import click

from runfolio.cli.output.options import Command, changed_data_option, open_store, store_option
from runfolio.cli.output.progress import progress_display
from runfolio.cli.pages.training import print_recorded_sources, print_training_result, resume_hint_on_interrupt


@click.command(cls=Command)
@click.argument("run")
@click.option("--force", is_flag=True, help="Take over the run from a process that still seems to write to it.")
@changed_data_option
@store_option
def resume(run: str, force: bool, changed_data: bool, store: Path | None) -> None:
    """Continue an unfinished run.

    The run continues from its last checkpoint, with the same settings and images. RUN is an id, the start of an id, a
    name, or a run's folder.

    \b
    runfolio resume k3f9
    """
    from runfolio.vision import run_experiment

    recorded = open_store(store).run(run)
    if recorded.state != "finished":
        print_recorded_sources(recorded.config)
    with resume_hint_on_interrupt(store), progress_display() as progress:
        folder = run_experiment(resume=run, force=force, changed_data=changed_data, store=store, progress=progress)
    print_training_result(folder, store)
