"""`runfolio runs`: the table of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from runfolio.cli.output.console import print_line, print_text, print_warnings
from runfolio.cli.output.display_table import OutputFormat, output_format_options, print_table
from runfolio.cli.output.options import (
    Command,
    RunFilters,
    filter_runs,
    has_filters,
    limit_option,
    open_store,
    run_filters,
    store_option,
)
from runfolio.record.base.plurals import counted


@click.command("runs", cls=Command)
@click.option(
    "--sort", metavar="COLUMN", help="Sort by this column in ascending order; with - before its name, descending."
)
@click.option("-r", "--reverse", is_flag=True, help="Reverse the order.")
@click.option("--columns", metavar="A,B,...", help="Columns to show, such as name,state,lr,val/acc.")
@limit_option
@run_filters
@store_option
@output_format_options
def list_runs(
    sort: str | None,
    reverse: bool,
    columns: str | None,
    limit: int | None,
    store: Path | None,
    output: OutputFormat,
    **filters: Unpack[RunFilters],
) -> None:
    """List the runs of the store, newest first.

    A column is a property of runs (id, name, experiment, state, created, duration_s, ended, reason, tags, notes,
    archived, series, lineage, host, device, commit, folder, or data.val for the fingerprint of the data named val), or
    a name that you logged: a setting, else a result, else a metric. A metric's value is taken from the run's summary
    or, if the summary lacks the metric, it is the best value of the curve. If it is unknown whether higher or lower is
    better, the last value is shown. The heading says which value is shown. Explicit names are params.lr,
    summary.val/acc, metrics.lr (the last value) and metrics.val/acc.best.

    Without --columns, the table shows the settings that differ and up to three results, if they fit. JSON and CSV have
    all columns unless --columns is given. JSON cannot represent NaN and infinity, so they are the strings "NaN",
    "Infinity" and "-Infinity".

    \b
    runfolio runs
    runfolio runs --sort val/acc -r
    runfolio runs --state failed --tag baseline
    runfolio runs --where "lr < 0.1 AND metrics.val/acc.max > 0.9"
    runfolio runs --columns name,lr,epochs,val/acc --csv > runs.csv
    """
    from runfolio.cli.output.tables import runs_table
    from runfolio.query.selection.columns import every_column
    from runfolio.query.tables.runs_table import table

    folio = open_store(store)
    runs, hidden = filter_runs(folio, filters)
    newest = runs[:limit]
    column_names = [name.strip() for name in columns.split(",")] if columns else None
    if column_names is None and output != "table":
        column_names = every_column(newest)
    if newest or output != "table":
        rows = table(newest, column_names, sort, reverse=reverse, others=runs)
        print_table(runs_table(rows, all_needed=column_names is not None), output)
        for note in rows.notes if output == "table" else ():
            print_text(note)
    elif has_filters(filters):
        print_line(f"No run in {folio.store} matches.")
    elif not hidden:
        print_line(f"No runs in {folio.store} yet; `runfolio train` records one.")
    if hidden and output == "table":
        print_line(f"{counted(hidden, 'archived run')} not shown; --archived shows {'it' if hidden == 1 else 'them'}.")
    print_warnings(folio.problems)
