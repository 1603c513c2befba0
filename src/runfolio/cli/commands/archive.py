"""`runfolio archive`: hide runs from tables."""

from __future__ import annotations

from pathlib import Path

import click

from runfolio.cli.output.console import print_line
from runfolio.cli.output.options import Command, open_store, store_option


@click.command(cls=Command, short_help="Hide runs from tables without deleting them.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@store_option
def archive(runs: tuple[str, ...], store: Path | None) -> None:
    """Hide runs from tables, plots and the choice of the best run, without deleting them.

    With --archived, `runs`, `best` and `plot` include archived runs. Every command accepts the name of an archived
    run.

    \b
    runfolio archive k3f9 a7x2
    runfolio runs --archived
    """
    set_archived(runs, store, archived=True)


def set_archived(names: tuple[str, ...], store: Path | None, *, archived: bool) -> None:
    """Archive runs, or make archived runs visible again. If a name is unknown, nothing is changed."""
    folio = open_store(store)
    for run in [folio.run(name) for name in names]:
        run.edits.archive(archived)
        print_line(f"{run.name} ({run.id}) is {'archived' if archived else 'no longer archived'}")
