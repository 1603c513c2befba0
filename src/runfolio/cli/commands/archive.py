"""`runfolio archive`: hide runs from tables."""

from __future__ import annotations

from pathlib import Path

import click

from runfolio.cli.output.console import print_line
from runfolio.cli.output.options import Command, open_store, store_option


@click.command(cls=Command, short_help="Hide runs from tables; they are kept.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@store_option
def archive(runs: tuple[str, ...], store: Path | None) -> None:
    """Hide runs from tables, choices and plots; they are kept.

    `runs`, `best` and `plot` show them with --archived, and every command accepts their names.

    \b
    runfolio archive k3f9 a7x2
    runfolio runs --archived
    """
    set_archived(runs, store, archived=True)


def set_archived(names: tuple[str, ...], store: Path | None, *, archived: bool) -> None:
    """Archive runs or undo that; with an unknown name, nothing is changed."""
    folio = open_store(store)
    for run in [folio.run(name) for name in names]:
        run.edits.archive(archived)
        print_line(f"{run.name} ({run.id}) is {'archived' if archived else 'no longer archived'}")
