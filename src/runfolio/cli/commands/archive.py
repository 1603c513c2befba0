"""`runfolio archive`: hide runs from tables."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from runfolio.cli.output.console import print_line
from runfolio.cli.output.options import (
    Command,
    RunFilters,
    named_or_filtered_runs,
    open_store,
    run_filters,
    store_option,
)
from runfolio.record.base.plurals import counted


@click.command(cls=Command, short_help="Hide runs from tables without deleting them.")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@run_filters
@store_option
def archive(runs: tuple[str, ...], store: Path | None, **filters: Unpack[RunFilters]) -> None:
    """Hide the named runs, or all runs that match the filters, from tables, plots and the choice of the best run.

    Archived runs are not deleted. With --archived, `runs`, `best` and `plot` include them. Every command accepts the
    name of an archived run.

    \b
    runfolio archive k3f9 a7x2
    runfolio archive --state failed
    runfolio runs --archived
    """
    set_archived(runs, filters, store, archived=True)


def set_archived(names: tuple[str, ...], filters: RunFilters, store: Path | None, *, archived: bool) -> None:
    """Archive runs, or make archived runs visible again. If any name is unknown, no run is changed."""
    folio = open_store(store)
    runs = named_or_filtered_runs(folio, names, filters)
    outcome = "archived" if archived else "no longer archived"
    if not names:
        runs = [run for run in runs if run.archived != archived]
    for run in runs:
        run.edits.archive(archived)
        if names:
            print_line(f"{run.name} ({run.id}) is {outcome}")
    if not names:
        print_line(f"{counted(len(runs), 'run')} {outcome}")
