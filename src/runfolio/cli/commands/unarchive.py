"""`runfolio unarchive`: show archived runs again."""

from __future__ import annotations

from pathlib import Path

import click

from runfolio.cli.commands.archive import set_archived
from runfolio.cli.output.options import Command, store_option


@click.command(cls=Command)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@store_option
def unarchive(runs: tuple[str, ...], store: Path | None) -> None:
    """Show archived runs in tables again.

    \b
    runfolio unarchive k3f9
    """
    set_archived(runs, store, archived=False)
