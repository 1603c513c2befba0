"""`runfolio best`: show the run with the best value of a metric."""

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
    """Show the best run by a metric, and explain the choice.

    The metric's name determines whether a higher or a lower value is better, unless --min or --max is given. A run is
    ranked by the metric's value in its summary. If the summary lacks the metric, the run is ranked by the best value of
    the curve. A name such as metrics.val/acc always selects the curve. Failed runs, reproductions and duplicate copies
    of a run are excluded.

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
