"""`runfolio series`: a grid of experiments, and which of them won."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runfolio.cli import output as out
from runfolio.cli.options import Command, open_store, store_option, write_settings
from runfolio.cli.progress import progress_display
from runfolio.cli.several import checked_flags, split_settings
from runfolio.errors import NotFound
from runfolio.settings import Located, fields_of
from runfolio.vision.settings import TrainSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runfolio.query.recorded import RecordedRun
    from runfolio.series import Report, Series

TARGET = "runfolio.vision:experiment"
"""What is run where a series does not say."""
FLAGS = "runfolio.settings_flags"


class SeriesCommand(Command):
    """Any flag it does not own is a setting, with one value or several."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest, ctx.meta[FLAGS] = split_settings(args, self.own_flags(ctx))
        return super().parse_args(ctx, rest)

    def own_flags(self, ctx: click.Context) -> dict[str, click.Option]:
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        return {flag: option for option in options for flag in option.opts}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        write_settings(formatter, fields_of(TrainSettings))


seeds_option = click.option(
    "--seeds",
    type=click.IntRange(min=1),
    metavar="N",
    help="Run everything N times, with the seed and the N - 1 behind it; report mean, spread and interval.",
)


@click.command(cls=SeriesCommand)
@click.argument("file", type=click.Path(path_type=Path), required=False, metavar="[FILE.yaml]")
@click.option("--experiment", metavar="NAME", help="What the runs belong to.  [default: the series' name]")
@seeds_option
@store_option
@click.pass_context
def series(
    ctx: click.Context, file: Path | None, experiment: str | None, seeds: int | None, store: Path | None
) -> None:
    """Run every combination of settings, then say which run won.

    Every setting below takes several values; with a file, flags replace what it says. Runs that the store holds as
    finished are not repeated, unfinished ones go on from their last checkpoint: an interrupted series is continued by
    the same command. A run that fails is recorded and the others go on; the exit status is 1 then.

    \b
    runfolio series series/digits.yaml
    runfolio series series/digits.yaml --epochs 20 --seeds 3
    runfolio series --model tinyvgg mlp --epochs 5 10 --lr 1e-3
    """
    from runfolio.series import load_target, read_series

    described = read_series(file, default_target=TARGET) if file else _unwritten(experiment)
    target = load_target(described.target.value)
    own = ctx.command.own_flags(ctx) if isinstance(ctx.command, SeriesCommand) else {}
    described = described.with_flags(checked_flags(ctx.meta[FLAGS], fields_of(target.settings), own))
    if seeds is not None:
        described = described.with_seeds(seeds, target.settings)
    run_series(ctx, described, experiment or described.name, store)


def run_series(ctx: click.Context, described: Series, experiment: str, store: Path | None) -> None:
    """Run a series and report; the exit status says whether all of it is done."""
    from runfolio.series import execute, expand, load_target

    target = load_target(described.target.value)
    planned = expand(described, target.settings)
    with progress_display() as progress:
        report = execute(planned, target, name=described.name, experiment=experiment, store=store, progress=progress)
    _print_leaderboard(report, store)
    _print_ending(ctx, report)


def _unwritten(experiment: str | None) -> Series:
    """A series that flags alone describe."""
    from runfolio.series import Series

    return Series(name=experiment or "default", target=Located(TARGET, ""), settings={}, grid={})


def _print_leaderboard(report: Report, store: Path | None) -> None:
    from runfolio.cli.tables import leaderboard_table, winner_of
    from runfolio.query.leaderboard import leaderboard

    folders = [outcome.folder for outcome in report.outcomes if outcome.ending != "busy" and outcome.folder]
    if not folders:
        return
    folio = open_store(store)
    runs = [folio.run(folder) for folder in folders]
    board = leaderboard(runs)
    out.line("")
    out.show_table(leaderboard_table(board), "table")
    out.line("")
    out.say(board.caption)
    _print_repeats(runs, board.metric, board.mode)
    if won := winner_of(board):
        place = out.store_flag(store)
        won_name = won.label if won.id in won.label else f"{won.label} ({won.id})"
        out.line(f"\n{won_name} won with {board.metric} {won.value:.4f}.", style="bold green")
        out.line(f"next  runfolio predict {won.id} --sample 24{place}")
        out.line(f"      runfolio plot {board.metric} --experiment {folio.run(won.place).experiment}{place}")


def _print_repeats(runs: Sequence[RecordedRun], metric: str, mode: str) -> None:
    """What the runs of several seeds came to together, where there are any."""
    from runfolio.cli.tables import repeats_table
    from runfolio.query.repeats import repeats

    try:
        found = repeats(runs, metric, mode)
    except NotFound:  # they have no seed, or nothing to show
        return
    if found.any_repeated:
        out.line("\nOver seeds", style="bold")
        out.show_table(repeats_table(found, "table"), "table")
        out.line("")
        out.say(found.caption)


def _print_ending(ctx: click.Context, report: Report) -> None:
    """Say what is not done; the exit status tells it too."""
    for outcome in report.failed:
        out.complain(f"failed: {outcome.planned.label}: {outcome.reason}")
    if report.interrupted:
        done = f"{len(report.done)} of {report.planned} runs are finished"
        out.complain(f"interrupted: {done}; the same command goes on with the rest")
        ctx.exit(130)
    if report.failed:
        out.complain(f"{len(report.failed)} of {report.planned} runs failed; `runfolio show RUN` has each traceback")
        ctx.exit(1)
