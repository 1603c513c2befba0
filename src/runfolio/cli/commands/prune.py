"""`runfolio prune`: move checkpoints of runs to the trash."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from runfolio.cli.output import formatting
from runfolio.cli.output.confirm import confirm, yes_option
from runfolio.cli.output.console import print_line
from runfolio.cli.output.display_table import Column, DisplayTable, print_table
from runfolio.cli.output.options import (
    Command,
    RunFilters,
    mode_option,
    named_or_filtered_runs,
    open_store,
    run_filters,
    store_flag,
    store_option,
)
from runfolio.cli.output.param_types import KeepParamType
from runfolio.cli.output.progress import with_progress_bar
from runfolio.record.base.plurals import counted

if TYPE_CHECKING:
    from runfolio.query.pruning import Removal
    from runfolio.query.run import RecordedRun
    from runfolio.query.store import Folio

_UNDONE = 5
"""Maximum number of runs that the printed `undelete` command names."""


@click.command(cls=Command, short_help="Move checkpoints of runs to the trash.")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@run_filters
@click.option(
    "--keep",
    multiple=True,
    type=KeepParamType(),
    metavar="best:N|newest:N",
    help="Keep the checkpoints of the N best or the N newest of the selected runs; repeatable.",
)
@click.option("--metric", help="Metric for --keep best:N.  [default: the metric that chose the epochs, or val/acc]")
@mode_option
@click.option("--names", metavar="A,B,...", help="Only checkpoints with these names, such as last,step-100.")
@click.option("--dry-run", is_flag=True, help="Only show what would be pruned.")
@yes_option
@store_option
def prune(
    runs: tuple[str, ...],
    keep: tuple[tuple[str, int], ...],
    metric: str | None,
    mode: str | None,
    names: str | None,
    dry_run: bool,
    yes: bool,
    store: Path | None,
    **filters: Unpack[RunFilters],
) -> None:
    """Move checkpoints of the named runs, or of all runs that match the filters, to the trash of the store.

    The runs themselves are kept, with their curves, settings and results. A run without checkpoints cannot be resumed,
    and its model cannot be loaded. `undelete` restores the checkpoints, and `purge` frees their space.

    Runs that are being written, and parents of such runs, are left out. `--keep best:N` ranks runs as `best` does.

    \b
    runfolio prune --experiment digits --keep best:3
    runfolio prune --where "val/acc < 0.9" --names last,previous
    runfolio prune k3f9 --dry-run
    """
    from runfolio.query.pruning import freed_bytes

    rules = dict[str, int]()
    for rule, number in keep:
        rules[rule] = max(number, rules.get(rule, 0))
    if (metric or mode) and "best" not in rules:
        raise click.UsageError("--metric, --min and --max need --keep best:N", click.get_current_context())
    folio = open_store(store)
    chosen = named_or_filtered_runs(folio, runs, filters)
    if not chosen:
        print_line("No run matches.")
        return
    wanted = [name.strip() for name in names.split(",")] if names else []
    removals = _plan(folio, chosen, rules, metric, mode, wanted)
    if not removals:
        print_line("No checkpoints to prune.")
        return
    sizes = freed_bytes(removals)
    print_table(_removals_table(removals, sizes))
    total = f"{_counted_checkpoints(removals)}, {formatting.byte_size(sum(sizes))}"
    print_line(f"total  {total}")
    if dry_run or (not yes and (not runs or sys.stdin.isatty()) and not confirm(f"Move {total} to the trash?")):
        return
    _prune(folio, removals, store)


def _plan(
    folio: Folio,
    runs: Sequence[RecordedRun],
    rules: dict[str, int],
    metric: str | None,
    mode: str | None,
    wanted: list[str],
) -> list[Removal]:
    """Return the checkpoints to prune, and print the runs that are left out because they are in use."""
    from runfolio.query.pruning import kept_runs, reasons_to_skip, removal

    kept = kept_runs(runs, best=rules.get("best", 0), newest=rules.get("newest", 0), metric=metric, mode=mode)
    candidates = [run for run in runs if run.run_path not in kept]
    skipped = reasons_to_skip(candidates, folio.runs(state="running", archived=True))
    for run in candidates:
        if reason := skipped.get(run.run_path):
            print_line(f"left out: {run.name} ({run.id}) {reason}")
    free = [run for run in candidates if run.run_path not in skipped]
    removals = (removal(run, wanted) for run in with_progress_bar(free, "reading checkpoints"))
    return [entry for entry in removals if entry is not None]


def _prune(folio: Folio, removals: Sequence[Removal], store: Path | None) -> None:
    from runfolio.query.pruning import reasons_to_skip

    # The user may have answered the question late, so a run may have been resumed in the meantime.
    current = folio.runs_in([entry.run.folder for entry in removals])
    skipped = reasons_to_skip(current, folio.runs(state="running", archived=True))
    pruned: list[RecordedRun] = []
    try:
        for entry, run in with_progress_bar(list(zip(removals, current, strict=True)), "pruning runs"):
            if reason := skipped.get(run.run_path):
                print_line(f"left out: {run.name} ({run.id}) {reason}")
            elif moved := folio.trash.prune(run, entry.names):
                pruned.append(run)
                print_line(f"pruned {run.name} ({run.id}): {', '.join(moved)}")
    finally:
        if pruned:
            print_line(f"undo  runfolio undelete {' '.join(run.id for run in pruned[:_UNDONE])}{store_flag(store)}")
            if len(pruned) > _UNDONE:
                print_line(f"`runfolio trash{store_flag(store)}` lists all {len(pruned):,} pruned runs")
            print_line(f"`runfolio purge{store_flag(store)}` frees the space")


def _removals_table(removals: Sequence[Removal], sizes: Sequence[int]) -> DisplayTable:
    rows = [
        {"id": entry.run.id, "name": entry.run.name, "checkpoints": ", ".join(entry.names), "bytes": size}
        for entry, size in zip(removals, sizes, strict=True)
    ]
    columns = [
        Column(key="id", title="id", formatter=formatting.elementwise(str)),
        Column(key="name", title="name", formatter=formatting.elementwise(str)),
        Column(key="checkpoints", title="checkpoints", formatter=formatting.elementwise(str)),
        Column(key="bytes", title="size", formatter=formatting.elementwise(formatting.byte_size), number=True),
    ]
    return DisplayTable(columns=columns, rows=rows)


def _counted_checkpoints(removals: Sequence[Removal]) -> str:
    checkpoints = counted(sum(len(entry.names) for entry in removals), "checkpoint")
    return f"{checkpoints} of {counted(len(removals), 'run')}"
