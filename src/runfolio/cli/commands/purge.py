"""`runfolio purge`: remove deleted runs and pruned checkpoints permanently."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from runfolio.cli.output import formatting
from runfolio.cli.output.confirm import confirm, yes_option
from runfolio.cli.output.console import print_line
from runfolio.cli.output.display_table import print_table
from runfolio.cli.output.options import Command, open_store, store_option
from runfolio.cli.output.param_types import AgeParamType
from runfolio.cli.pages.trash import trash_counts, trash_table


@click.command(cls=Command, short_help="Remove deleted runs and pruned checkpoints permanently.")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option(
    "--older-than",
    type=AgeParamType(),
    metavar="AGE",
    help="Only runs that were last deleted or pruned at least this long ago, such as 12h, 30d or 2w.",
)
@yes_option
@store_option
def purge(runs: tuple[str, ...], older_than: timedelta | None, yes: bool, store: Path | None) -> None:
    """Remove the named runs and their pruned checkpoints from the trash permanently, or empty the whole trash.

    \b
    runfolio purge k3f9
    runfolio purge --older-than 30d
    """
    folio = open_store(store)
    doomed = [folio.trash.run(name) for name in runs] or folio.trash.runs()
    if older_than is not None:
        doomed = [run for run in doomed if datetime.now(UTC) - run.deleted >= older_than]
    if doomed and not yes:
        print_table(trash_table(doomed))
        if not confirm(f"Remove {trash_counts(doomed)} permanently?"):
            return
    freed = folio.trash.sweep() + sum(folio.trash.purge(run) for run in doomed)
    print_line(f"purged {trash_counts(doomed)}, {formatting.byte_size(freed)} freed")
