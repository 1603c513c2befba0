"""`runfolio unarchive`: show archived runs in tables again."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from runfolio.cli.commands.archive import set_archived
from runfolio.cli.output.options import Command, RunFilters, run_filters, store_option


@click.command(cls=Command, short_help="Show archived runs again.")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@run_filters
@store_option
def unarchive(runs: tuple[str, ...], store: Path | None, **filters: Unpack[RunFilters]) -> None:
    """Show the named archived runs, or all archived runs that match the filters, in tables again.

    \b
    runfolio unarchive k3f9
    runfolio unarchive --experiment digits
    """
    filters["archived"] = True
    set_archived(runs, filters, store, archived=False)
