"""Table that lists deleted runs and pruned checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runfolio.cli.output import formatting
from runfolio.cli.output.console import print_line
from runfolio.cli.output.display_table import Column, DisplayTable, OutputFormat, print_table
from runfolio.record.base.plurals import counted

if TYPE_CHECKING:
    from runfolio.query.store import Folio
    from runfolio.query.store_trash import TrashedRun


def print_trash(folio: Folio, output: OutputFormat = "table") -> None:
    """Print the deleted runs of a store and the runs that have pruned checkpoints."""
    runs = folio.trash.runs()
    if runs or output != "table":
        print_table(trash_table(runs), output)
    else:
        print_line(f"The trash of {folio.store} is empty.")


def trash_table(runs: Sequence[TrashedRun]) -> DisplayTable:
    """Return a table with one row per run that is in the trash or has pruned checkpoints in it."""
    rows = [
        {
            "id": run.id,
            "name": run.name,
            "content": _content(run),
            "deleted": run.deleted,
            "bytes": run.size(),
            "place": run.run_path,
        }
        for run in runs
    ]
    columns = [
        Column(key="id", title="id", formatter=formatting.elementwise(str)),
        Column(key="name", title="name", formatter=formatting.elementwise(str)),
        Column(key="content", title="content", formatter=formatting.elementwise(str)),
        Column(key="deleted", title="deleted", formatter=formatting.elementwise(formatting.age)),
        Column(key="bytes", title="size", formatter=formatting.elementwise(formatting.byte_size), number=True),
        Column(key="place", title="was in", formatter=formatting.elementwise(str), optional=1),
    ]
    return DisplayTable(columns=columns, rows=rows)


def trash_counts(runs: Sequence[TrashedRun]) -> str:
    """Describe the content of the trash, such as `2 runs and the checkpoints of 1 run`."""
    deleted, pruned = sum(run.is_deleted for run in runs), sum(not run.is_deleted for run in runs)
    parts = [counted(deleted, "run")] if deleted or not pruned else []
    return " and ".join([*parts, *([f"the checkpoints of {counted(pruned, 'run')}"] if pruned else [])])


def _content(run: TrashedRun) -> str:
    pruned = [counted(len(run.checkpoints), "checkpoint")] if run.checkpoints or not run.is_deleted else []
    return ", ".join([*(["run"] if run.is_deleted else []), *pruned])
