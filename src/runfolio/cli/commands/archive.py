"""`runfolio archive`: runs put aside."""

from __future__ import annotations

from pathlib import Path

import click

from runfolio.cli.output.console import print_line
from runfolio.cli.output.options import Command, open_store, store_option


@click.command(cls=Command, short_help="Put runs aside: kept whole, but left out of tables.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@store_option
def archive(runs: tuple[str, ...], store: Path | None) -> None:
    """Put runs aside: kept whole, but left out of tables, choices and pictures.

    `runs`, `best` and `plot` show them with --archived; by name every command still finds them.

    \b
    runfolio archive k3f9 a7x2
    runfolio runs --archived
    """
    set_archived(runs, store, archived=True)


def set_archived(names: tuple[str, ...], store: Path | None, *, archived: bool) -> None:
    """Archive runs or take them back; a wrong name changes nothing."""
    folio = open_store(store)
    for run in [folio.run(name) for name in names]:
        run.edits.archive(archived)
        print_line(f"{run.name} ({run.id}) is {'archived' if archived else 'no longer archived'}")
