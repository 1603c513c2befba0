"""`runfolio undelete`: restore deleted runs and pruned checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runfolio.cli.output.console import print_line
from runfolio.cli.output.options import Command, open_store, store_option
from runfolio.cli.pages.trash import print_trash

if TYPE_CHECKING:
    from runfolio.query.store import Folio
    from runfolio.query.store_trash import TrashedRun


@click.command(cls=Command, short_help="Restore deleted runs and pruned checkpoints.")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@store_option
def undelete(runs: tuple[str, ...], store: Path | None) -> None:
    """Restore deleted runs to their original folders, and pruned checkpoints to their runs.

    Without a name, list the content of the trash. If a run was pruned and later deleted, the first `undelete` restores
    the run, and the second `undelete` restores its checkpoints.

    \b
    runfolio undelete
    runfolio undelete k3f9
    """
    folio = open_store(store)
    if not runs:
        print_trash(folio)
    for run in [folio.trash.run(name) for name in runs]:
        if run.is_deleted:
            print_line(f"{run.name} ({run.id}) is back in {folio.trash.restore(run)}")
        else:
            _restore_checkpoints(folio, run)


def _restore_checkpoints(folio: Folio, run: TrashedRun) -> None:
    restored = folio.trash.restore_checkpoints(run)
    if restored:
        print_line(f"restored the checkpoints {', '.join(restored)} of {run.name} ({run.id})")
    if remaining := sorted(set(run.checkpoints) - set(restored)):
        print_line(
            f"{run.name} ({run.id}): {', '.join(remaining)} stay in the trash, because they are damaged, or because"
            " the run has new checkpoints with these names"
        )
