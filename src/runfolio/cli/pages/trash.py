"""Table of deleted runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runfolio.cli.output import formatting
from runfolio.cli.output.console import print_line
from runfolio.cli.output.display_table import Column, DisplayTable, OutputFormat, print_table

if TYPE_CHECKING:
    from runfolio.query.store import Folio
    from runfolio.query.store_trash import TrashedRun


def print_trash(folio: Folio, output: OutputFormat = "table") -> None:
    """Print the deleted runs of a store."""
    runs = folio.trash.runs()
    if runs or output != "table":
        print_table(trash_table(runs), output)
    else:
        print_line(f"The trash of {folio.store} is empty.")


def trash_table(runs: Sequence[TrashedRun]) -> DisplayTable:
    """Return one row per deleted run."""
    rows = [
        {"id": run.id, "name": run.name, "deleted": run.deleted, "bytes": run.size(), "place": run.run_path}
        for run in runs
    ]
    columns = [
        Column(key="id", title="id", formatter=formatting.elementwise(str)),
        Column(key="name", title="name", formatter=formatting.elementwise(str)),
        Column(key="deleted", title="deleted", formatter=formatting.elementwise(formatting.age)),
        Column(key="bytes", title="size", formatter=formatting.elementwise(formatting.byte_size), number=True),
        Column(key="place", title="was in", formatter=formatting.elementwise(str), optional=1),
    ]
    return DisplayTable(columns=columns, rows=rows)
