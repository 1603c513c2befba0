"""`runfolio train`: train an image classifier as one tracked run, or as several."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runfolio.cli.commands.series import TARGET, run_series, warn_of_val_fraction, with_repeats
from runfolio.cli.output.multiple_values import split_setting_flags
from runfolio.cli.output.options import (
    Command,
    SettingOption,
    explain_option,
    folds_option,
    seeds_option,
    settings_options,
    store_option,
)
from runfolio.cli.output.param_types import PathParamType
from runfolio.cli.output.progress import progress_display
from runfolio.cli.pages.training import print_architecture, print_training_result, resume_hint_on_interrupt
from runfolio.settings import LocatedValue, build, fields_of, read_yaml
from runfolio.vision.settings import TrainSettings

if TYPE_CHECKING:
    from runfolio.series import Series


class TrainCommand(Command):
    """Command that suggests `runfolio series` if a setting has several values."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, list(args))  # a copy, because click empties the list
        except click.UsageError as error:
            if "extra argument" not in error.message:
                raise
            options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
            own = {flag: option for option in options for flag in option.opts if not isinstance(option, SettingOption)}
            several = [(key, values) for key, values in split_setting_flags(args, own)[1].items() if len(values) > 1]
            for key, values in several[:1]:
                command = f"runfolio series --{key} {shlex.join(values)}"
                message = f"{key} has several values: `{command}` trains with each of them"
                raise click.UsageError(message, ctx) from None
            raise


@click.command(cls=TrainCommand, short_help="Train an image classifier as one tracked run, or as several.")
@click.option("--config", type=PathParamType(), metavar="FILE.yaml", help="File with settings; flags override them.")
@click.option("--experiment", metavar="NAME", help="Experiment of the run.  [default: the name of the data]")
@click.option(
    "--name",
    help="Name of the run; with --seeds or --folds, of the series."
    "  [default: from the settings, such as tinyvgg-20pct-5ep]",
)
@seeds_option
@folds_option
@click.option(
    "--find-lr",
    is_flag=True,
    help="Find a learning rate instead of training: plot the loss of about 100 steps at rates from 1e-7 to 10,"
    " and suggest a rate. With --unfreeze-after, the rate is for the head.",
)
@click.option("--layers", is_flag=True, help="Print every layer of the network first.")
@explain_option
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
    layers: bool,
    explain: bool,
    store: Path | None,
    **flags: Any,
) -> None:
    """Train an image classifier as one tracked run or, with --seeds or --folds, as several runs.

    Every setting below can also be a key in the YAML file, with the same spelling.

    \b
    runfolio train
    runfolio train --model mlp --epochs 10 --lr 3e-4
    runfolio train --config my.yaml --seed 7
    runfolio train --model mlp --seeds 5
    runfolio train --model mlp --folds 5
    runfolio train --model mlp --find-lr
    """
    is_series = seeds is not None or folds is not None
    if find_lr and is_series:
        raise click.UsageError(
            "--find-lr cannot be used with --seeds or --folds; first find the rate with one run", ctx
        )
    if explain and not is_series:
        raise click.UsageError("--explain explains the tables of several runs; add --seeds or --folds", ctx)
    file_settings = read_yaml(config) if config else {}
    values = {**file_settings, **{key: value for key, value in flags.items() if value is not None}}
    settings = build(TrainSettings, values)
    warn_of_val_fraction({key.replace("_", "-") for key in values}, folded=bool(folds or settings.fold))
    print_architecture(settings, store, layers=layers)
    if is_series:
        repeated = _several(settings, seeds, folds, name)
        run_series(ctx, repeated, experiment or settings.data_name, store, explain=explain)
        return
    if find_lr:
        _find_lr(ctx, settings, name, experiment, store)
        return
    from runfolio.vision import run_experiment

    with resume_hint_on_interrupt(store), progress_display() as progress:
        folder = run_experiment(settings, store=store, experiment=experiment, name=name, progress=progress)
    print_training_result(folder, store)


def _find_lr(
    ctx: click.Context, settings: TrainSettings, name: str | None, experiment: str | None, store: Path | None
) -> None:
    from runfolio.cli.pages.range_test import print_range_test
    from runfolio.vision import find_lr

    with progress_display() as progress:
        test = find_lr(settings, store=store, experiment=experiment, name=name, progress=progress)
    print_range_test(ctx, test, store)


def _several(settings: TrainSettings, seeds: int | None, folds: int | None, name: str | None) -> Series:
    """Return a series with one run per seed and fold. If the same command is started again, the series continues."""
    from runfolio.series import Series

    settings_by_key = {field.key: LocatedValue(getattr(settings, field.name), "") for field in fields_of(TrainSettings)}
    series = Series(name=name or settings.run_name, target=LocatedValue(TARGET, ""), settings=settings_by_key, grid={})
    return with_repeats(series, seeds, folds, TrainSettings)
