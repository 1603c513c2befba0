"""`runfolio compare`: runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runfolio.cli.output.console import print_line, print_text
from runfolio.cli.output.display_table import OutputFormat, output_format_options, print_table
from runfolio.cli.output.options import Command, experiment_option, open_store, split_names, store_option
from runfolio.record.points.metric_summary import PER_PARAMETER

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun


@click.command(cls=Command, short_help="Compare runs side by side.")
@click.argument("runs", nargs=-1, metavar="RUN RUN...")
@click.option(
    "--group-by",
    metavar="A,B",
    help="Mean, spread and interval of all runs of the same A and B; -A: of all but A.",
)
@experiment_option
@store_option
@output_format_options
def compare(
    runs: tuple[str, ...], group_by: str | None, experiment: str | None, store: Path | None, output: OutputFormat
) -> None:
    """Compare runs side by side; those named, or all of an experiment.

    The settings and results in which they differ, and the last and best value of every metric. With --group-by, what
    groups of runs came to: -seed takes those for one that differ in their seed alone.

    \b
    runfolio compare k3f9 a7x2
    runfolio compare tinyvgg-5ep mlp-5ep mlp-10ep --csv
    runfolio compare --experiment digits --group-by -seed
    """
    from runfolio.cli.output.tables import comparison_table
    from runfolio.query.tables.comparison import compare as compare_runs

    if bool(runs) == bool(experiment):
        raise click.UsageError("name the runs to compare, or give --experiment NAME for all of one")
    folio = open_store(store)
    chosen = [folio.run(name) for name in runs] if runs else list(folio.runs(experiment))
    if group_by is not None:
        _compare_groups(chosen, group_by, output)
        return
    comparison = compare_runs(chosen)
    metrics = comparison.metrics
    if output == "table":
        metrics = [row for row in metrics if not row.metric.startswith(PER_PARAMETER)]
    print_table(comparison_table(comparison, metrics), output)
    if output == "table":
        if hidden := len(comparison.metrics) - len(metrics):
            print_line(f"and {hidden} metrics of single parameters: grad_norm/NAME, weight_norm/NAME")
        for sentence in comparison.mind:
            print_text(sentence)
        print_text(f"{comparison.same} other setting{'s are' if comparison.same != 1 else ' is'} the same in all.")


def _compare_groups(runs: Sequence[RecordedRun], group_by: str, output: OutputFormat) -> None:
    from runfolio.cli.output.tables import seed_groups_table
    from runfolio.query.selection.seed_groups import group_by_seed

    groups = group_by_seed(runs, group_by=split_names(group_by))
    print_table(seed_groups_table(groups, output), output)
    if output == "table":
        print_line("")
        print_text(groups.caption)
