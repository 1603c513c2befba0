"""`runfolio sql`: run one SELECT on the runs of the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import click

from runfolio.cli.output import formatting
from runfolio.cli.output.console import print_lines, print_warnings
from runfolio.cli.output.display_table import Column, DisplayTable, OutputFormat, output_format_options, print_table
from runfolio.cli.output.options import (
    Command,
    RunFilters,
    filter_runs,
    has_filters,
    open_store,
    run_filters,
    store_option,
)

if TYPE_CHECKING:
    import pyarrow as pa


@click.command("sql", cls=Command, short_help="Run one SQL SELECT on the runs.")
@click.argument("query")
@run_filters
@store_option
@output_format_options
def run_sql(query: str, store: Path | None, output: OutputFormat, **filters: Unpack[RunFilters]) -> None:
    """Run one SELECT in DuckDB's SQL dialect on the runs of the store. A query cannot change the store.

    \b
    runs      id, name, experiment, state, created, duration_s, tags, folder and other facts
    params    run, name, number, text: one row per setting
    summary   run, name, number, text: one row per result
    metrics   run, name, best, count, last, min, max, mean and steps: one row per curve
    points    run, metric, step, time, value, attempt: one row per point

    `run` is the id of a run. Times are in UTC. Without a filter, the tables contain all runs, including archived runs.
    With a filter, they contain only the matching runs. `DESCRIBE points` lists the columns of the table `points`.

    \b
    runfolio sql "SELECT state, count(*) FROM runs GROUP BY ALL"
    runfolio sql "SELECT metric, max(value) FROM points GROUP BY ALL" --where "lr < 0.1"
    runfolio sql "FROM metrics WHERE name = 'val/loss' ORDER BY min LIMIT 5" --csv
    """
    folio = open_store(store)
    table = folio.sql(query, filter_runs(folio, filters)[0] if has_filters(filters) else None).to_arrow()
    if output == "table" and table.column_names == ["explain_key", "explain_value"]:
        print_lines("\n".join(table.column("explain_value").to_pylist()))
    else:
        print_table(_display(table), output)
    print_warnings(folio.problems)


def _display(table: pa.Table) -> DisplayTable:
    columns = [column.to_pylist() for column in table.columns]
    rows = [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]
    return DisplayTable(
        columns=[_column(name, values) for name, values in zip(table.column_names, columns, strict=True)],
        rows=rows,
        in_blocks=True,
    )


def _column(name: str, values: Sequence[Any]) -> Column:
    is_number = any(formatting.is_number(value) for value in values)
    formatter = formatting.aligned_numbers if is_number else formatting.elementwise(formatting.setting_value)
    return Column(key=name, title=" ".join(name.split()), formatter=formatter, number=is_number)
