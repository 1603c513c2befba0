"""`runfolio delete`: move runs to the trash."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from runfolio.cli.output.confirm import confirm, yes_option
from runfolio.cli.output.console import print_line
from runfolio.cli.output.display_table import DisplayTable, print_table
from runfolio.cli.output.options import (
    Command,
    RunFilters,
    named_or_filtered_runs,
    open_store,
    run_filters,
    store_flag,
    store_option,
)
from runfolio.record.base.plurals import counted

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun


@click.command(cls=Command)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@run_filters
@yes_option
@click.option(
    "--force", is_flag=True, help="Also delete runs that are being written; their scripts continue without recording."
)
@store_option
def delete(runs: tuple[str, ...], yes: bool, force: bool, store: Path | None, **filters: Unpack[RunFilters]) -> None:
    """Delete the named runs, or all runs that match the filters.

    Deleted runs are moved to the trash of the store. `undelete` restores them, and `purge` frees their space.

    \b
    runfolio delete k3f9 a7x2
    runfolio delete --experiment digits --state failed
    """
    folio = open_store(store)
    chosen = named_or_filtered_runs(folio, runs, filters)
    if not chosen:
        print_line("No run matches.")
        return
    if not yes and (not runs or sys.stdin.isatty()):
        print_table(_runs_to_delete(chosen))
        if not confirm(f"Move {counted(len(chosen), 'run')} to the trash?"):
            return
    folio.trash.put(*chosen, force=force)
    for run in chosen:
        print_line(f"deleted {run.name} ({run.id})")
    print_line(f"undo  runfolio undelete {' '.join(run.id for run in chosen[:5])}{store_flag(store)}")


def _runs_to_delete(runs: Sequence[RecordedRun]) -> DisplayTable:
    from runfolio.cli.output.tables import runs_table
    from runfolio.query.tables.runs_table import table

    columns = ["id", "name", "experiment", "state", "created"]
    return runs_table(table(runs, columns), all_needed=True)
