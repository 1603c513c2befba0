"""`runfolio series`: a grid of experiments, and which of them won."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runfolio.cli.output import output as out
from runfolio.cli.output.multiple_values import checked_flags, split_settings
from runfolio.cli.output.options import Command, open_store, store_option, write_settings
from runfolio.cli.output.progress import progress_display
from runfolio.errors import NotFound
from runfolio.settings import Located, fields_of
from runfolio.vision.settings import TrainSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from runfolio.query.run import RecordedRun
    from runfolio.query.tables.leaderboard import Leaderboard
    from runfolio.series import Report, Series
    from runfolio.settings import Settings

TARGET = "runfolio.vision:experiment"
"""What is run where a series does not say."""
FLAGS = "runfolio.settings_flags"
FOLD = "fold"


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

folds_option = click.option(
    "--folds",
    type=click.IntRange(min=2),
    metavar="K",
    help="Cross-validate everything: K runs, in which each image for training validates once; with --seeds, of each.",
)


@click.command(cls=SeriesCommand)
@click.argument("file", type=click.Path(path_type=Path), required=False, metavar="[FILE.yaml]")
@click.option("--experiment", metavar="NAME", help="What the runs belong to.  [default: the series' name]")
@seeds_option
@folds_option
@store_option
@click.pass_context
def series(
    ctx: click.Context,
    file: Path | None,
    experiment: str | None,
    seeds: int | None,
    folds: int | None,
    store: Path | None,
) -> None:
    """Run every combination of settings, then say which run won.

    Every setting below takes several values; with a file, flags replace what it says. Runs that the store holds as
    finished are not repeated, unfinished ones go on from their last checkpoint: an interrupted series is continued by
    the same command. A run that fails is recorded and the others go on; the exit status is 1 then.

    \b
    runfolio series series/digits.yaml
    runfolio series series/digits.yaml --epochs 20 --seeds 3
    runfolio series series/digits.yaml --folds 5
    runfolio series --model tinyvgg mlp --epochs 5 10 --lr 1e-3
    """
    from runfolio.series import load_target, read_series

    described = read_series(file, default_target=TARGET) if file else _unwritten(experiment)
    target = load_target(described.target.value)
    own = ctx.command.own_flags(ctx) if isinstance(ctx.command, SeriesCommand) else {}
    described = described.with_flags(checked_flags(ctx.meta[FLAGS], fields_of(target.settings), own))
    given = described.settings.keys() | described.grid.keys()
    warn_of_val_fraction(given, folded=folds is not None or FOLD in given)
    run_series(ctx, repeated(described, seeds, folds, target.settings), experiment or described.name, store)


def repeated(described: Series, seeds: int | None, folds: int | None, settings: type[Settings]) -> Series:
    """The series with every combination run for so many seeds, and folds of each."""
    if seeds is not None:
        described = described.with_seeds(seeds, settings)
    return described if folds is None else described.with_folds(folds, settings)


def warn_of_val_fraction(given: Collection[str], *, folded: bool) -> None:
    """Say so where a setting that is given, spelled as flags are, does not count."""
    if folded and "val-fraction" in given:
        out.complain("val-fraction does not count: of cross-validation one fold validates and the others train")


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
    from runfolio.cli.output.tables import leaderboard_table, winner_of
    from runfolio.query.selection.seed_groups import chosen
    from runfolio.query.tables.leaderboard import leaderboard

    folders = [outcome.folder for outcome in report.outcomes if outcome.ending != "busy" and outcome.folder]
    if not folders:
        return
    runs = open_store(store).runs_in(folders)
    board = leaderboard(runs)
    out.line("")
    out.show_table(leaderboard_table(board), "table")
    out.line("")
    out.say(board.caption)
    _print_repeats(runs, board.metric, board.mode)
    if winner_of(board):
        _print_winner(chosen(runs, board.metric, board.mode), board, store)


def _print_winner(won: Sequence[RecordedRun], board: Leaderboard, store: Path | None) -> None:
    """What won: a run, or the runs that repeat one another, of which the best is named for what is next."""
    places = {run.place for run in won}
    row = next(row for row in board.rows if row.place in places)
    name = row.label if row.id in row.label else f"{row.label} ({row.id})"
    said = f"{name} won with {board.metric} {row.value:.4f}."
    if len(won) > 1:
        mean = statistics.fmean(each.value for each in board.rows if each.value is not None and each.place in places)
        said = f"Of {len(won)} runs with the best mean {board.metric}, {mean:.4f}, the best is {name}."
    out.line(f"\n{said}", style="bold green")
    place = out.store_flag(store)
    out.line(f"next  runfolio predict {row.id} --sample 24{place}")
    out.line(f"      runfolio plot {board.metric} --experiment {won[0].experiment}{place}")


def _print_repeats(runs: Sequence[RecordedRun], metric: str, mode: str) -> None:
    """What runs of several seeds or folds came to together, where there are any."""
    from runfolio.cli.output.tables import repeats_table
    from runfolio.query.selection.seed_groups import repeats

    try:
        found = repeats(runs, metric, mode)
    except NotFound:  # none came to anything
        return
    if found.any_repeated:
        varied = [f"{name}s" for name in ("seed", FOLD) if len({run.params.get(name) for run in runs}) > 1]
        out.line(f"\nOver {' and '.join(varied)}", style="bold")
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
    if not report.is_settled:
        out.complain(
            "another process is at some of the runs: which one is the best is not settled before they are done"
        )
    if report.trouble:
        out.complain(f"the chosen run was not tested: {report.trouble}; the same command tries again")
    if report.failed:
        out.complain(f"{len(report.failed)} of {report.planned} runs failed; `runfolio show RUN` has each traceback")
    if report.failed or report.trouble:
        ctx.exit(1)
