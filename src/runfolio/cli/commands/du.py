"""`runfolio du`: show the disk space that runs use."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Unpack

import click

from runfolio.cli.output import formatting
from runfolio.cli.output.console import print_line, print_warnings
from runfolio.cli.output.display_table import Column, DisplayTable, OutputFormat, output_format_options, print_table
from runfolio.cli.output.options import (
    Command,
    RunFilters,
    filter_runs,
    has_filters,
    named_or_filtered_runs,
    open_store,
    run_filters,
    store_flag,
    store_option,
)
from runfolio.cli.output.progress import with_progress_bar
from runfolio.record import disk_use
from runfolio.record.base.layout import TRASH
from runfolio.record.base.plurals import counted
from runfolio.record.disk_use import DiskUse, DiskUseCounter

_SHOWN = 20


@click.command(cls=Command, short_help="Show the disk space that runs use.")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@run_filters
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help=f"Show the N largest runs.  [default: {_SHOWN}]")
@click.option("--all", "everything", is_flag=True, help="Show all runs.")
@store_option
@output_format_options
def du(
    runs: tuple[str, ...],
    limit: int | None,
    everything: bool,
    store: Path | None,
    output: OutputFormat,
    **filters: Unpack[RunFilters],
) -> None:
    """Show the disk space that runs use, the largest run first.

    Without names and filters, all runs that are not archived are measured. The sizes are the space that the files
    occupy on disk. A file that several runs share, such as a fork's checkpoint, is counted for the oldest run.
    The table shows the 20 largest runs. JSON and CSV contain all runs unless --limit is given.

    \b
    runfolio du
    runfolio du --experiment digits --all
    """
    folio = open_store(store)
    hidden = 0
    if runs:
        chosen = named_or_filtered_runs(folio, runs, filters)
    else:
        matches, hidden = filter_runs(folio, filters)
        chosen = list(matches)
    counter = DiskUseCounter()
    oldest_first = sorted(chosen, key=lambda run: run.created)
    uses = [(run, counter.count(run.folder)) for run in with_progress_bar(oldest_first, "measuring runs")]
    uses.sort(key=lambda pair: pair[1].total, reverse=True)
    rows = [{"id": run.id, "name": run.name, **asdict(use), "total": use.total} for run, use in uses]
    shown = rows[: limit or (None if everything or output != "table" else _SHOWN)]
    if output != "table":
        print_table(_table(shown), output)
    elif rows:
        print_table(_table(shown))
        if more := len(rows) - len(shown):
            print_line(f"{more:,} more: --limit N, --all")
        total = formatting.byte_size(sum(use.total for _, use in uses))
        print_line(f"{counted(len(rows), 'run')}: {total}{_trash_text(folio.store, store)}")
    elif has_filters(filters):
        print_line(f"No run in {folio.store} matches.")
    elif not hidden:
        print_line(f"No runs in {folio.store} yet; `runfolio train` records one.")
    if hidden and output == "table":
        print_line(f"{counted(hidden, 'archived run')} not shown; --archived shows {'it' if hidden == 1 else 'them'}.")
    print_warnings(folio.problems)


def _trash_text(folder: Path, store: Path | None) -> str:
    """Return a note with the size of the trash and the command that empties it, or "" if the trash is empty."""
    trash = folder / TRASH
    if trash.is_symlink() or not trash.is_dir() or not any(trash.iterdir()):
        return ""
    size = formatting.byte_size(disk_use.size(trash))
    return f"; trash: {size}, which `runfolio purge{store_flag(store)}` frees"


def _table(rows: list[dict[str, Any]]) -> DisplayTable:
    sizes = [*(field.name for field in fields(DiskUse)), "total"]
    columns = [
        Column(key="id", title="id", formatter=formatting.elementwise(str)),
        Column(key="name", title="name", formatter=formatting.elementwise(str)),
        *(
            Column(
                key=part,
                title=part,
                formatter=formatting.elementwise(formatting.byte_size),
                number=True,
                optional=0 if part in ("checkpoints", "total") else 1,
            )
            for part in sizes
        ),
    ]
    return DisplayTable(columns=columns, rows=rows)
