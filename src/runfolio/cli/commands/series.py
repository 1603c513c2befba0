"""`runfolio series`: run a grid of experiments and rank them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runfolio.cli.output.console import print_error
from runfolio.cli.output.multiple_values import check_setting_flags, split_setting_flags
from runfolio.cli.output.options import (
    Command,
    explain_option,
    folds_option,
    seeds_option,
    store_option,
)
from runfolio.cli.output.param_types import PathParamType
from runfolio.cli.output.progress import progress_display
from runfolio.cli.pages.series import print_leaderboard, print_unfinished
from runfolio.settings import Field, LocatedValue, fields_of
from runfolio.vision.settings import TrainSettings

if TYPE_CHECKING:
    from collections.abc import Collection

    from runfolio.series import Series
    from runfolio.settings import Settings

TARGET = "runfolio.vision:experiment"
"""Default target, which trains each run of a series that names no target."""
FLAGS = "runfolio.settings_flags"


class SeriesCommand(Command):
    """Command that treats every unknown flag as a setting with one or several values."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own_args, ctx.meta[FLAGS] = split_setting_flags(args, self.own_flags(ctx))
        return super().parse_args(ctx, own_args)

    def own_flags(self, ctx: click.Context) -> dict[str, click.Option]:
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        return {flag: option for option in options for flag in option.opts}

    def settings(self) -> list[Field]:
        return fields_of(TrainSettings)


@click.command(cls=SeriesCommand)
@click.argument("file", type=PathParamType(), required=False, metavar="[FILE.yaml]")
@click.option("--experiment", metavar="NAME", help="Experiment of the runs.  [default: the series' name]")
@seeds_option
@folds_option
@explain_option
@store_option
@click.pass_context
def series(
    ctx: click.Context,
    file: Path | None,
    experiment: str | None,
    seeds: int | None,
    folds: int | None,
    explain: bool,
    store: Path | None,
) -> None:
    """Run every combination of settings, and show which run is best.

    Every setting below accepts several values. Flags override the settings in the series file. Runs that are already
    finished in the store are not repeated, and unfinished runs continue from their last checkpoint. Therefore, the same
    command continues an interrupted series. If a run fails, the others are still trained, and the exit status is 1.

    \b
    runfolio series series/digits.yaml
    runfolio series series/digits.yaml --epochs 20 --seeds 3
    runfolio series series/digits.yaml --folds 5
    runfolio series --model tinyvgg mlp --epochs 5 10 --lr 1e-3
    """
    from runfolio.series import load_target, read_series

    description = read_series(file, default_target=TARGET) if file else _series_of_flags(experiment)
    target = load_target(description.target.value)
    own = ctx.command.own_flags(ctx) if isinstance(ctx.command, SeriesCommand) else {}
    description = description.with_flags(check_setting_flags(ctx.meta[FLAGS], fields_of(target.settings), own))
    keys = description.settings.keys() | description.grid.keys()
    warn_of_val_fraction(keys, folded=folds is not None or "fold" in keys)
    repeated = with_repeats(description, seeds, folds, target.settings)
    run_series(ctx, repeated, experiment or description.name, store, explain=explain)


def with_repeats(description: Series, seeds: int | None, folds: int | None, settings: type[Settings]) -> Series:
    """Return a series that repeats every combination with `seeds` seeds and on `folds` folds."""
    if seeds is not None:
        description = description.with_seeds(seeds, settings)
    return description if folds is None else description.with_folds(folds, settings)


def warn_of_val_fraction(keys: Collection[str], *, folded: bool) -> None:
    """Print a warning if `val-fraction` is given, because it has no effect in cross-validation."""
    if folded and "val-fraction" in keys:
        print_error("val-fraction has no effect, because cross-validation validates on one fold and trains on the rest")


def run_series(ctx: click.Context, description: Series, experiment: str, store: Path | None, *, explain: bool) -> None:
    """Run a series and print the result. The exit status is 130 after Ctrl-C, and 1 if a run or the test failed."""
    from runfolio.series import execute, expand, load_target

    target = load_target(description.target.value)
    planned = expand(description, target.settings)
    with progress_display() as progress:
        report = execute(planned, target, name=description.name, experiment=experiment, store=store, progress=progress)
    print_leaderboard(report, store, explain=explain)
    if status := print_unfinished(report):
        ctx.exit(status)


def _series_of_flags(experiment: str | None) -> Series:
    """Return an empty series. The settings from flags are added later."""
    from runfolio.series import Series

    return Series(name=experiment or "default", target=LocatedValue(TARGET, ""), settings={}, grid={})
