"""`runfolio best`: show the best run by a metric."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from runfolio.cli.output.console import print_caption, print_line
from runfolio.cli.output.options import (
    Command,
    RunFilters,
    explain_option,
    filter_runs,
    mode_option,
    open_store,
    run_filters,
    store_option,
)
from runfolio.record.base.plurals import counted


@click.command(cls=Command)
@click.argument("metric")
@mode_option
@explain_option
@run_filters
@store_option
def best(metric: str, mode: str | None, explain: bool, store: Path | None, **filters: Unpack[RunFilters]) -> None:
    """Show the best run by a metric, and the data that chose it.

    Whether more or less is better is guessed from the metric's name, unless --min or --max is given. A run is ranked
    by the value in its summary, else by the best value of its curve (with metrics.val/acc always). Failed runs,
    reproductions and second copies of a run are excluded.

    \b
    runfolio best val/acc
    runfolio best cost --min --experiment digits
    """
    from runfolio.query.selection.ranking import choose

    runs, hidden = filter_runs(open_store(store), filters)
    choice = choose(runs, metric, mode)
    archived = f"Left out: {counted(hidden, 'archived run')}." if hidden else ""
    print_caption(choice.caption.with_details(archived), explain=explain)
    print_line(str(choice.run.folder))
