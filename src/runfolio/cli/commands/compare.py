"""`runfolio compare`: compare runs side by side."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from runfolio.cli.output.console import print_caption, print_line
from runfolio.cli.output.display_table import OutputFormat, output_format_options, print_table
from runfolio.cli.output.options import (
    Command,
    RunFilters,
    explain_option,
    has_filters,
    named_or_filtered_runs,
    open_store,
    run_filters,
    store_option,
)
from runfolio.record.base.plurals import counted
from runfolio.record.points.metric_summary import PER_PARAMETER

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun
    from runfolio.query.store import Folio


@click.command(cls=Command, short_help="Compare runs side by side.")
@click.argument("runs", nargs=-1, metavar="RUN RUN...")
@click.option(
    "--group-by",
    metavar="A,B",
    help="Show mean, spread and interval of runs with the same A and B; -A groups by all settings except A.",
)
@click.option("--all", "everything", is_flag=True, help="Also show norms, rates, times, sizes, and output folders.")
@explain_option
@run_filters
@store_option
@output_format_options
def compare(
    runs: tuple[str, ...],
    group_by: str | None,
    everything: bool,
    explain: bool,
    store: Path | None,
    output: OutputFormat,
    **filters: Unpack[RunFilters],
) -> None:
    """Compare the named runs, or all runs that match the filters.

    One row per run shows its results, and the settings in which the runs differ. A metric's column shows its value in
    the summary. If the summary lacks the metric, the column shows the best value of the curve. The column's heading
    names the kind of value. If the last value of a curve is not the best, an additional column shows the last value.
    JSON and CSV contain the last and the best value of every metric.

    If all compared runs recorded answers to the same items (`run.log_answers`), McNemar's test shows whether their
    accuracies differ significantly. Otherwise, repeat each run with several seeds and use --group-by -seed.

    --group-by shows the results of groups of runs. For example, -seed combines runs that differ only in their seed.
    Settings that only name the output of a run, such as a folder, are not used for grouping. Reproductions and
    duplicate copies of a run are excluded.

    \b
    runfolio compare k3f9 a7x2
    runfolio compare tinyvgg-5ep mlp-5ep mlp-10ep --csv
    runfolio compare --experiment digits --group-by -seed
    """
    from runfolio.query.selection.duplicates import distinct_runs

    folio = open_store(store)
    if not runs and not has_filters(filters):
        raise click.UsageError(_what_to_type(folio), click.get_current_context())
    chosen = named_or_filtered_runs(folio, runs, filters)
    if group_by is not None:
        _compare_groups(chosen, group_by, output, explain=explain)
        return
    distinct = distinct_runs(chosen)
    if runs:
        _compare_runs(chosen, output, "", everything=everything, explain=explain)
    else:
        _compare_runs(distinct.runs, output, distinct.sentence, everything=everything, explain=explain)


def _what_to_type(folio: Folio) -> str:
    """Return the message for a call without runs. It contains two commands that work in this store."""
    advice = "name the runs, or select them with --experiment, --state, --tag or --where"
    newest = folio.runs()[:2]
    if len(newest) < 2:
        return advice
    names, experiment = " ".join(run.id for run in newest), shlex.quote(newest[0].experiment)
    return f"{advice}; for example `runfolio compare {names}` or `runfolio compare --experiment {experiment}`"


def _compare_runs(
    runs: Sequence[RecordedRun], output: OutputFormat, left_out: str, *, everything: bool, explain: bool
) -> None:
    from runfolio.cli.output.tables import comparison_data, comparison_table
    from runfolio.query.selection.caption import Caption
    from runfolio.query.tables.comparison import compare as compare_runs
    from runfolio.query.tables.comparison import compared_columns

    comparison = compare_runs(runs)
    if output != "table":
        print_table(comparison_data(comparison), output)
        return
    compared = compared_columns(runs, comparison, everything=everything)
    print_table(comparison_table(runs, compared.columns))
    hidden = [counted(compared.hidden, "other result")] if compared.hidden else []
    if compared.naming:
        hidden.append(f"{', '.join(compared.naming)}, which only {'name' if compared.naming[1:] else 'names'} a run")
    watched = sum(row.metric.startswith(PER_PARAMETER) for row in comparison.metrics)
    caption = Caption.of(
        [*comparison.caption.short, f"--all also shows {' and '.join(hidden)}." if hidden else ""],
        [
            *comparison.caption.details,
            f"Not shown: {counted(watched, 'metric')} of individual parameters and layers (grad_norm/NAME ...)."
            if watched
            else "",
            left_out,
        ],
    )
    print_caption(caption, explain=explain)


def _compare_groups(runs: Sequence[RecordedRun], group_by: str, output: OutputFormat, *, explain: bool) -> None:
    from runfolio.cli.output.tables import seed_groups_table
    from runfolio.query.selection.seed_groups import group_by_seed

    groups = group_by_seed(runs, group_by=group_by)
    print_table(seed_groups_table(groups, output), output)
    if output == "table":
        print_line("")
        print_caption(groups.caption, explain=explain)
