"""`runfolio undelete`: restore deleted runs."""

from __future__ import annotations

from pathlib import Path

import click

from runfolio.cli.output.console import print_line
from runfolio.cli.output.options import Command, open_store, store_option
from runfolio.cli.pages.trash import print_trash


@click.command(cls=Command, short_help="Restore deleted runs to their original folders.")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@store_option
def undelete(runs: tuple[str, ...], store: Path | None) -> None:
    """Restore deleted runs to their original folders; without a name, list the deleted runs.

    \b
    runfolio undelete
    runfolio undelete k3f9
    """
    folio = open_store(store)
    if not runs:
        print_trash(folio)
    for run in [folio.trash.run(name) for name in runs]:
        print_line(f"{run.name} ({run.id}) is back in {folio.trash.restore(run)}")
