"""Commands that train one model: `train` and `resume`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from runfolio.cli.commands.series import TARGET, folds_option, repeated, run_series, seeds_option, warn_of_val_fraction
from runfolio.cli.output import formatting
from runfolio.cli.output import output as out
from runfolio.cli.output.options import Command, open_store, settings_options, store_option
from runfolio.cli.output.progress import progress_display
from runfolio.record.checkpoints.manifests import LAST
from runfolio.settings import LocatedValue, build, fields_of, read_yaml
from runfolio.vision.settings import TrainSettings

changed_data_option = click.option(
    "--changed-data", is_flag=True, help="Go on although its images changed since; new ones play no part."
)


@click.command(cls=Command)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE.yaml", help="Settings; flags go before them.")
@click.option("--experiment", metavar="NAME", help="What the run belongs to.  [default: the name of the data]")
@click.option(
    "--name", help="The run's (with --seeds or --folds, the series') name.  [default: such as tinyvgg-20pct-5ep]"
)
@seeds_option
@folds_option
@click.option(
    "--find-lr",
    is_flag=True,
    help="Do not train, but find a learning rate: some 100 steps at rates from 1e-7 to 10, the loss of each, and a rate"
    " to begin with. With --unfreeze-after, for the head.",
)
@store_option
@settings_options(TrainSettings)
@click.pass_context
def train(
    ctx: click.Context,
    config: Path | None,
    experiment: str | None,
    name: str | None,
    seeds: int | None,
    folds: int | None,
    find_lr: bool,
    store: Path | None,
    **flags: Any,
) -> None:
    """Train one image classifier as one tracked run; or, with --seeds or --folds, as several.

    Every setting below is a key of the YAML file too; keys are spelled as the flags are.

    \b
    runfolio train
    runfolio train --model mlp --epochs 10 --lr 3e-4
    runfolio train --config my.yaml --seed 7
    runfolio train --model mlp --seeds 5
    runfolio train --model mlp --folds 5
    runfolio train --model mlp --find-lr
    """
    several = seeds is not None or folds is not None
    if find_lr and several:
        raise click.UsageError("--find-lr goes with neither --seeds nor --folds: find the rate with one run first", ctx)
    written = read_yaml(config) if config else {}
    given = {**written, **{key: value for key, value in flags.items() if value is not None}}
    settings = build(TrainSettings, given)
    warn_of_val_fraction({key.replace("_", "-") for key in given}, folded=bool(folds or settings.fold))
    _print_architecture(settings, store)
    if several:
        _train_several(ctx, settings, seeds, folds, name, experiment, store)
        return
    if find_lr:
        _find_lr(ctx, settings, name, experiment, store)
        return
    from runfolio.vision import run_experiment

    with _telling_how_to_go_on(store), progress_display() as progress:
        folder = run_experiment(settings, store=store, experiment=experiment, name=name, progress=progress)
    _print_result(folder, store)


def _find_lr(
    ctx: click.Context, settings: TrainSettings, name: str | None, experiment: str | None, store: Path | None
) -> None:
    from runfolio.cli.pages.range_test import print_range_test
    from runfolio.vision import find_lr

    with progress_display() as progress:
        test = find_lr(settings, store=store, experiment=experiment, name=name, progress=progress)
    print_range_test(ctx, test, store)


def _train_several(
    ctx: click.Context,
    settings: TrainSettings,
    seeds: int | None,
    folds: int | None,
    name: str | None,
    experiment: str | None,
    store: Path | None,
) -> None:
    """As a series: started again, it goes on where it was."""
    from runfolio.series import Series

    given = {field.key: LocatedValue(getattr(settings, field.name), "") for field in fields_of(TrainSettings)}
    described = Series(name=name or settings.run_name, target=LocatedValue(TARGET, ""), settings=given, grid={})
    run_series(ctx, repeated(described, seeds, folds, TrainSettings), experiment or settings.data_name, store)


@click.command(cls=Command)
@click.argument("run")
@click.option("--force", is_flag=True, help="Take it over from a process that still seems to write it.")
@changed_data_option
@store_option
def resume(run: str, force: bool, changed_data: bool, store: Path | None) -> None:
    """Go on with an unfinished run.

    From its last checkpoint, with the settings it was begun with, on the images it was begun with. RUN is an id, the
    beginning of one, a name, or a run's folder.

    \b
    runfolio resume k3f9
    """
    from runfolio.vision import run_experiment

    with _telling_how_to_go_on(store), progress_display() as progress:
        folder = run_experiment(resume=run, force=force, changed_data=changed_data, store=store, progress=progress)
    _print_result(folder, store)


@click.command(cls=Command, context_settings={"show_default": False})  # of the settings: what is not given is RUN's
@click.argument("run")
@click.option(
    "--at",
    default=LAST,
    metavar="STEP",
    help=f"The checkpoint to begin from: its step, or its name; `runfolio show RUN` lists them.  [default: {LAST}]",
)
@changed_data_option
@click.option("--experiment", metavar="NAME", help="What the fork belongs to.  [default: what RUN does]")
@click.option("--name", help="The fork's name.  [default: RUN's with -fork behind it]")
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
    """Continue a training another way from one of its checkpoints.

    A new run, which begins with RUN's curves up to there and goes on with RUN's settings as the flags change them.
    RUN stays as it is, and may be running. What a fork cannot change (the images, their split, the network) is refused.
    There are checkpoints of RUN's last steps and its best epoch, and with `train --keep-every N` of every N steps.

    \b
    runfolio fork k3f9 --lr 1e-4
    runfolio fork k3f9 --at 120 --epochs 20 --schedule constant
    runfolio fork k3f9 --at best --optimizer sgd --momentum 0.9
    """
    from runfolio.vision import Fork, run_experiment

    recorded = open_store(store).run(run)
    changes = {key: value for key, value in flags.items() if value is not None}
    planned = Fork.plan(recorded, changes, int(at) if at.isdecimal() else at)
    with _telling_how_to_go_on(store), progress_display() as progress:
        folder = run_experiment(
            fork=planned,
            changed_data=changed_data,
            store=store,
            experiment=experiment,
            name=name,
            progress=progress,
        )
    _print_result(folder, store)


@contextmanager
def _telling_how_to_go_on(store: Path | None) -> Iterator[None]:
    """After Ctrl-C, name the command that goes on with the run."""
    began = datetime.now(UTC)
    try:
        yield
    except KeyboardInterrupt:
        for run in open_store(store).runs(state="interrupted"):
            if run.attempts[-1].started >= began:
                out.complain(f"interrupted; `runfolio resume {run.id}{out.store_flag(store)}` goes on with it")
        raise


def _print_architecture(settings: TrainSettings, store: Path | None) -> None:
    from runfolio.vision import architecture
    from runfolio.vision.prepare import prepare

    with progress_display() as progress:
        preparation = prepare(settings, store=store, progress=progress)
    out.stdout().print(architecture(preparation.network(), preparation.spec.image_shape).table(), "")


def _print_result(folder: Path, store: Path | None) -> None:
    from runfolio.cli.output.tables import results_table

    run = open_store(store).run(folder)
    out.show_table(results_table(run.results), "table")
    results = run.results
    out.say(
        f"Epoch {results['best/epoch']} is the best, chosen by {results['chosen_by']}; "
        f"{formatting.significant(results['epoch_seconds'])} s an epoch, "
        f"{formatting.significant(results['predict_ms'])} ms an image."
    )
    if "test/acc" not in results:
        out.say("Its series tests the run that validation chooses; `runfolio evaluate` tests this one.")
    if run.status.reason:  # it stopped early
        out.say(f"It {run.status.reason}.")
    place = out.store_flag(store)
    out.line(f"\nrun   {run.folder}", style="bold")
    out.line(f"next  runfolio show {run.id}{place}")
    out.line(f"      runfolio evaluate {run.id}{place}")
    out.line(f"      runfolio predict {run.id} --sample 24{place}")
    out.line(f"      runfolio plot {results['chosen_by']} {run.id}{place}")
