"""`runfolio runs`: print the table of runs."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from runfolio.cli.output.console import print_caption, print_line, print_text, print_warnings
from runfolio.cli.output.display_table import OutputFormat, output_format_options, print_table
from runfolio.cli.output.logdirs import logdir_option, open_logdir
from runfolio.cli.output.options import (
    Command,
    RunFilters,
    filter_runs,
    has_filters,
    open_store,
    run_filters,
    store_option,
)
from runfolio.record.base.plurals import counted

if TYPE_CHECKING:
    from runfolio.query.store import Folio, Runs

_SHOWN = 50
"""Default number of runs in the table."""
_WATCH_S = 2.0


@click.command("runs", cls=Command)
@click.option("--sort", metavar="COLUMN", help="Sort by this column; -COLUMN sorts in descending order.")
@click.option("-r", "--reverse", is_flag=True, help="Reverse the order.")
@click.option("--columns", metavar="A,B,...", help="Columns to show, such as name,state,lr,val/acc.")
@click.option(
    "--group-by",
    metavar="A,B",
    help="Show mean, spread and interval of runs with the same A and B; -A groups by all settings except A.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help=f"Show the first N runs.  [default: {_SHOWN}]")
@click.option("--last", "limit", type=click.IntRange(min=1), hidden=True)
@click.option("--all", "everything", is_flag=True, help="Show all runs.")
@click.option("--watch", is_flag=True, help="Show the current table every two seconds until Ctrl-C is pressed.")
@click.option("--refresh", is_flag=True, help="Read all runs again instead of only the runs that changed.")
@run_filters
@store_option
@logdir_option
@output_format_options
def list_runs(
    sort: str | None,
    reverse: bool,
    columns: str | None,
    group_by: str | None,
    limit: int | None,
    everything: bool,
    watch: bool,
    refresh: bool,
    store: Path | None,
    logdir: Path | None,
    output: OutputFormat,
    **filters: Unpack[RunFilters],
) -> None:
    """List the runs of the store, newest first.

    A column is a fact or a name from your runs. The facts are id, name, experiment, state, created, duration_s, ended,
    reason, tags, notes, archived, series, lineage, host, device, commit, folder, and data.val. (data.val is the
    fingerprint of the data named val.) A name selects the first match among settings, results and metrics. params.lr,
    summary.val/acc, metrics.lr (the last value) and metrics.val/acc.best are unambiguous. A metric's column shows its
    value in the summary, or else the best value of its curve. If it is unknown whether higher or lower is better, the
    column shows the last value. The column's heading names the kind of value.

    Without --columns, the table shows the settings that differ, and up to three results if the terminal is wide enough.
    JSON and CSV contain all runs and columns unless --limit or --columns is given. JSON cannot represent NaN and
    infinity, so these values become the strings "NaN", "Infinity" and "-Infinity".

    \b
    runfolio runs
    runfolio runs --sort -val/acc --limit 10
    runfolio runs --state failed --tag baseline
    runfolio runs --where "lr < 0.1 AND metrics.val/acc.max > 0.9"
    runfolio runs --group-by -seed --experiment digits
    runfolio runs --columns name,lr,epochs,val/acc --csv > runs.csv
    runfolio runs --logdir lightning_logs
    """
    if watch and (output != "table" or not sys.stdout.isatty()):
        raise click.UsageError(
            "--watch needs a terminal and cannot be combined with --json or --csv", click.get_current_context()
        )
    if group_by is not None and (sort or columns):
        raise click.UsageError("--group-by has its own columns and order; omit --sort and --columns")
    most = limit or (None if everything or output != "table" else _SHOWN)
    shown = None if columns is None else [name.strip() for name in columns.split(",")]
    opened = None if logdir is None else open_logdir(logdir, store)
    folio = open_store(store if opened is None else opened.store, refresh=refresh)

    def show() -> None:
        runs, hidden = filter_runs(folio, filters, sort, reverse=reverse)
        if group_by is not None:
            _print_groups(runs, group_by, output)
        else:
            _print_runs(folio, runs, shown, sort, most, output, is_filtered=has_filters(filters), hidden=hidden)
        if hidden and output == "table":
            them = "it" if hidden == 1 else "them"
            print_line(f"{counted(hidden, 'archived run')} not shown; --archived shows {them}.")
        print_warnings(folio.problems)

    show()
    while watch:
        time.sleep(_WATCH_S)
        if opened is not None:
            opened.update()
        click.clear()
        show()


def _print_runs(
    folio: Folio,
    runs: Runs,
    columns: list[str] | None,
    sort: str | None,
    most: int | None,
    output: OutputFormat,
    *,
    is_filtered: bool,
    hidden: int,
) -> None:
    from runfolio.cli.output.tables import runs_table
    from runfolio.query.selection.columns import every_column
    from runfolio.query.tables.runs_table import table

    first = runs[:most]
    if columns is None and output != "table":
        columns = every_column(first)
    if first or output != "table":
        rows = table(first, columns, sorted_by=sort and sort.removeprefix("-"), others=runs)
        print_table(runs_table(rows, all_needed=columns is not None), output)
        for note in rows.notes if output == "table" else ():
            print_text(note)
        if output == "table" and len(first) < len(runs):
            print_line(f"{len(runs) - len(first):,} more: --limit N, --all")
    elif is_filtered:
        print_line(f"No run in {folio.store} matches.")
    elif not hidden:
        print_line(f"No runs in {folio.store} yet; `runfolio train` records one.")


def _print_groups(runs: Runs, group_by: str, output: OutputFormat) -> None:
    from runfolio.cli.output.tables import seed_groups_table
    from runfolio.query.selection.seed_groups import group_by_seed

    groups = group_by_seed(runs, group_by=group_by)
    print_table(seed_groups_table(groups, output), output)
    if output == "table":
        print_line("")
        print_caption(groups.caption, explain=False)
