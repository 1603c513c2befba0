"""`runfolio fork`: continue a run from a checkpoint with different settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from runfolio.cli.output.options import Command, changed_data_option, open_store, settings_options, store_option
from runfolio.cli.output.progress import progress_display
from runfolio.cli.pages.training import print_recorded_sources, print_training_result, resume_hint_on_interrupt
from runfolio.record.checkpoints.manifests import LAST
from runfolio.vision.settings import TrainSettings


@click.command(cls=Command, context_settings={"show_default": False})  # the default is the value of RUN
@click.argument("run")
@click.option(
    "--at",
    default=LAST,
    metavar="STEP",
    help=f"Step or name of the checkpoint to start from; `runfolio show RUN` lists all.  [default: {LAST}]",
)
@changed_data_option
@click.option("--experiment", metavar="NAME", help="Experiment of the fork.  [default: RUN's experiment]")
@click.option("--name", help="Name of the fork.  [default: RUN's name with -fork]")
@store_option
@settings_options(TrainSettings)
def fork(
    run: str,
    at: str,
    changed_data: bool,
    experiment: str | None,
    name: str | None,
    store: Path | None,
    **flags: Any,
) -> None:
    """Continue a run from a checkpoint with different settings.

    The new run starts with RUN's curves up to the checkpoint. It uses RUN's settings, except the settings given as
    flags. RUN itself is not changed and may still be running. A fork cannot change the images, their split or the
    network. RUN has checkpoints of its last steps and its best epoch. If RUN was started with `train --keep-every N`,
    it also has a checkpoint for every N steps.

    \b
    runfolio fork k3f9 --lr 1e-4
    runfolio fork k3f9 --at 120 --epochs 20 --schedule constant
    runfolio fork k3f9 --at best --optimizer sgd --momentum 0.9
    """
    from runfolio.vision import Fork, run_experiment

    recorded = open_store(store).run(run)
    changes = {key: value for key, value in flags.items() if value is not None}
    planned_fork = Fork.plan(recorded, changes, int(at) if at.isdecimal() else at)
    print_recorded_sources({**recorded.config, **changes})
    with resume_hint_on_interrupt(store), progress_display() as progress:
        folder = run_experiment(
            fork=planned_fork,
            changed_data=changed_data,
            store=store,
            experiment=experiment,
            name=name,
            progress=progress,
        )
    print_training_result(folder, store)
