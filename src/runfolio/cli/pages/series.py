"""Output for the end of a series: the leaderboard, the winner, and the failed or unfinished runs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runfolio.cli.output.console import print_caption, print_error, print_heading, print_line
from runfolio.cli.output.display_table import print_table
from runfolio.cli.output.options import open_store, store_flag
from runfolio.errors import NotFound

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun
    from runfolio.query.tables.leaderboard import Leaderboard
    from runfolio.series import SeriesReport


def print_leaderboard(report: SeriesReport, store: Path | None, *, explain: bool) -> None:
    """Print the runs of a series as a table, best first, and name the winner."""
    from runfolio.cli.output.tables import best_finished_row, leaderboard_table
    from runfolio.query.selection.seed_groups import best_group
    from runfolio.query.tables.leaderboard import leaderboard

    folders = [outcome.folder for outcome in report.outcomes if outcome.ending != "busy" and outcome.folder]
    if not folders:
        return
    folio = open_store(store)
    runs = folio.runs_in(folders)
    board = leaderboard(runs)
    print_line("")
    print_table(leaderboard_table(board))
    print_line("")
    print_caption(board.caption, explain=explain)
    _print_seed_groups(runs, board.metric, board.mode, explain=explain)
    if best_finished_row(board):
        _print_winner(best_group(runs, board.metric, board.mode), board, store)


def _print_winner(winners: Sequence[RecordedRun], board: Leaderboard, store: Path | None) -> None:
    """Print the winner. If a group of repeated runs won, print the best run of the group."""
    run_paths = {run.run_path for run in winners}
    row = next(row for row in board.rows if row.run_path in run_paths)
    name = row.label if row.id in row.label else f"{row.label} ({row.id})"
    sentence = f"{name} won with {board.metric} {row.value:.4f}."
    if len(winners) > 1:
        mean = statistics.fmean(
            other.value for other in board.rows if other.value is not None and other.run_path in run_paths
        )
        sentence = (
            f"The best mean {board.metric} is {mean:.4f}, over {len(winners)} runs; the best of these runs is {name}."
        )
    print_line("")
    print_line(sentence, "bold green")
    flag = store_flag(store)
    print_line(f"next  runfolio predict {row.id} --sample 24{flag}")
    print_line(f"      runfolio plot {board.metric} --experiment {winners[0].experiment}{flag}")


def _print_seed_groups(runs: Sequence[RecordedRun], metric: str, mode: str, *, explain: bool) -> None:
    """Print the groups of runs that differ only in seed or fold, if there are any."""
    from runfolio.cli.output.tables import seed_groups_table
    from runfolio.query.selection.seed_groups import group_by_seed

    try:
        groups = group_by_seed(runs, metric, mode)
    except NotFound:  # no run has the metric
        return
    if groups.any_repeated:
        varied = [f"{name}s" for name in ("seed", "fold") if len({run.flat_config.get(name) for run in runs}) > 1]
        print_heading(f"Over {' and '.join(varied)}")
        print_table(seed_groups_table(groups, "table"))
        print_line("")
        print_caption(groups.caption, explain=explain)


def print_unfinished(report: SeriesReport) -> int:
    """Print failed and unfinished runs, and return the exit status."""
    for outcome in report.failed:
        print_error(f"failed: {outcome.plan.label}: {outcome.reason}")
    if report.interrupted:
        progress = f"{len(report.completed)} of {report.run_count} runs are finished"
        print_error(f"interrupted: {progress}; the same command continues with the other runs")
        return 130
    if not report.is_settled:
        print_error("another process is executing some of the runs; the winner will be known after they have finished")
    if report.conclude_error:
        print_error(f"the chosen run was not tested: {report.conclude_error}; the same command tries again")
    if report.failed:
        print_error(
            f"{len(report.failed)} of {report.run_count} runs failed; `runfolio show RUN` shows the error of each"
        )
    return 1 if report.failed or report.conclude_error else 0
