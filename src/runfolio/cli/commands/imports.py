"""`runfolio import`: add the runs of other programs to the store."""

from __future__ import annotations

from pathlib import Path

import click

from runfolio.cli.output.console import print_line, print_warnings
from runfolio.cli.output.display_table import OutputFormat, output_format_options, print_table
from runfolio.cli.output.logdirs import import_progress
from runfolio.cli.output.options import Command, debug_option, store_option
from runfolio.cli.output.param_types import PathParamType
from runfolio.record.base.layout import store_folder
from runfolio.record.base.plurals import counted


@click.group("import", params=[debug_option()], short_help="Add runs that other programs recorded.")
def import_runs() -> None:
    """Add runs that other programs recorded to the store.

    \b
    runfolio import tensorboard runs
    """


@import_runs.command("tensorboard", cls=Command, short_help="Import the runs of a TensorBoard log directory.")
@click.argument("logdir", type=PathParamType())
@click.option("--experiment", metavar="NAME", help="Experiment of the runs.  [default: the folder above each run]")
@store_option
@output_format_options
def tensorboard(logdir: Path, experiment: str | None, store: Path | None, output: OutputFormat) -> None:
    """Import the runs of a TensorBoard log directory.

    LOGDIR contains event files at any depth, as for `tensorboard --logdir`. Each folder with event files becomes a run.
    Folders that are parts of one run are combined: train and validation of Keras, the lines of add_scalars, and the
    folder that add_hparams creates. Hyperparameters are also read from hparams.yaml, and from texts such as the
    arguments of Hugging Face's Trainer. Traces of profilers and projector files become artifacts.

    Every value is kept, even if its step equals or precedes the step before it. If a writer restarted at an earlier
    step, the points that it replaced become an abandoned branch. The table says what was decided, and what could not
    be read. The log directory is not changed.

    Importing again adds only what is new. To look at a log directory without importing it, use --logdir with `runs`,
    `plot` or `board`.

    \b
    runfolio import tensorboard runs
    runfolio import tensorboard lightning_logs --experiment segmentation
    runfolio import tensorboard /data/logs --store runs --json
    """
    from runfolio.cli.pages.logdirs import import_table
    from runfolio.tensorboard.logdir_import import import_logdir

    folder = store_folder(store)
    with import_progress(logdir) as on_progress:
        report = import_logdir(logdir, folder, experiment=experiment, on_progress=on_progress)
    print_table(import_table(report.runs), output)
    if output == "table":
        changed = [run for run in report.runs if run.outcome in ("new", "updated")]
        points = sum(run.points for run in changed)
        print_line(f"{counted(len(changed), 'run')} imported, {counted(points, 'point')}: {folder}")
        print_warnings([f"{run.name}: {problem}" for run in report.runs for problem in run.problems])
    print_warnings([f"skipped: {sentence}" for sentence in report.skipped])
