"""`runfolio trash`: list the deleted runs and pruned checkpoints."""

from __future__ import annotations

from pathlib import Path

import click

from runfolio.cli.output.display_table import OutputFormat, output_format_options
from runfolio.cli.output.options import Command, open_store, store_option
from runfolio.cli.pages.trash import print_trash


@click.command(cls=Command, short_help="List the deleted runs and pruned checkpoints, latest first.")
@store_option
@output_format_options
def trash(store: Path | None, output: OutputFormat) -> None:
    """List the deleted runs and the runs with pruned checkpoints, latest first, and the space that they use.

    \b
    runfolio trash
    """
    print_trash(open_store(store), output)
