"""Commands that read the record: `runs`, `show`, `best`, `compare`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from runfolio.cli.output import output as out
from runfolio.cli.output.options import (
    Command,
    Filters,
    best_by_option,
    chosen_run,
    experiment_filter,
    filtered,
    mode_option,
    names_of,
    open_store,
    run_filters,
    store_option,
)
from runfolio.record.points.metric_summary import PER_PARAMETER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runfolio.query.run import RecordedRun


@click.command("runs", cls=Command)
@click.option("--sort", metavar="COLUMN", help="Order by any column, smallest first; with - before it, largest first.")
@click.option("-r", "--reverse", is_flag=True, help="Turn the order round.")
@click.option("--columns", metavar="A,B,...", help="The columns to show, such as name,state,lr,val/acc.")
@run_filters
@store_option
@out.format_options
def list_runs(
    sort: str | None,
    reverse: bool,
    columns: str | None,
    store: Path | None,
    output: out.Format,
    **filters: Unpack[Filters],
) -> None:
    """List the runs of the store, newest first.

    A column is a fact (id, name, experiment, state, created, duration_s, ended, reason, tags, notes, archived, series,
    lineage, host, device, commit, folder, data.val for its fingerprint), a setting (lr or params.lr), a result
    (test/acc or summary.test/acc), or the last value of a metric (metrics.val/acc). JSON and CSV have every column
    unless --columns chooses; numbers that JSON lacks are "NaN", "Infinity" and "-Infinity" there.

    \b
    runfolio runs
    runfolio runs --sort val/acc -r
    runfolio runs --state failed --tag baseline
    runfolio runs --columns name,lr,epochs,val/acc --csv > runs.csv
    """
    from runfolio.cli.output.tables import runs_table
    from runfolio.query.frames.columns import every_column
    from runfolio.query.tables.runs_table import table

    folio = open_store(store)
    runs, hidden = filtered(folio, filters)
    chosen = [name.strip() for name in columns.split(",")] if columns else None
    if chosen is None and output != "table":
        chosen = every_column(runs)
    if runs or output != "table":
        rows = table(runs, chosen, sort, reverse=reverse)
        out.show_table(runs_table(rows, all_needed=chosen is not None), output)
    elif any((filters["experiment"], filters["state"], filters["tags"])):
        out.line(f"No run in {folio.store} is like that.")
    elif not hidden:
        out.line(f"No runs in {folio.store} yet; `runfolio train` makes one.")
    if hidden and output == "table":
        out.line(f"{out.count(hidden, 'archived run')} not shown; --archived shows {'it' if hidden == 1 else 'them'}.")
    out.warn(folio.problems)


@click.command(cls=Command)
@click.argument("run")
@click.option("--code", "part", flag_value="code", help="List the files kept of the code instead.")
@click.option("--diff", "part", flag_value="diff", help="Print its uncommitted changes instead, as git does.")
@click.option("--json", "part", flag_value="json", help="Print all that the page has as one JSON object.")
@click.option("--all", "everything", is_flag=True, help="Show settings at their defaults and every metric, too.")
@click.option("--rank", type=int, metavar="N", help="Show the metrics of this rank, of a run that several wrote.")
@best_by_option
@experiment_filter
@store_option
def show(
    run: str,
    part: str | None,
    everything: bool,
    rank: int | None,
    metric: str,
    experiment: str | None,
    store: Path | None,
) -> None:
    """Show one run on one page.

    How it ended, settings that differ from their defaults, results, metrics, load, environment, code, files. RUN is an
    id, the beginning of one, a name, a run's folder, or `best`.

    \b
    runfolio show k3f9
    runfolio show k3f9 --all
    runfolio show k3f9 --rank 2
    runfolio show k3f9 --code
    runfolio show k3f9 --diff | git apply
    runfolio show k3f9 --json
    runfolio show tinyvgg-20pct-5ep
    runfolio show best --metric val/loss
    """
    from runfolio.cli.pages import code, run_page

    folio = open_store(store)
    shown = chosen_run(run, metric, experiment, folio)
    pages = {
        "code": code.print_files,
        "diff": code.print_uncommitted,
        "json": partial(run_page.print_json, children=folio.children(shown), rank=rank),
        None: partial(run_page.print_page, children=folio.children(shown), rank=rank, everything=everything),
    }
    pages[part](shown)


@click.command(cls=Command)
@click.argument("metric")
@mode_option
@run_filters
@store_option
def best(metric: str, mode: str | None, store: Path | None, **filters: Unpack[Filters]) -> None:
    """Name the best run by a metric, and say which data chose it.

    Whether more or less is better is guessed from the metric's name; --min and --max decide.

    \b
    runfolio best val/acc
    runfolio best cost --min --experiment digits
    """
    from runfolio.query.selection.ranking import choose

    runs, hidden = filtered(open_store(store), filters)
    choice = choose(runs, metric, mode)
    out.say(choice.sentence + (f" Left out: {out.count(hidden, 'archived run')}." if hidden else ""))
    out.line(str(choice.run.folder))


@click.command(cls=Command)
@click.argument("runs", nargs=-1, metavar="RUN RUN...")
@click.option(
    "--group-by",
    metavar="A,B",
    help="Mean, spread and interval of all runs of the same A and B; -A: of all but A.",
)
@experiment_filter
@store_option
@out.format_options
def compare(
    runs: tuple[str, ...], group_by: str | None, experiment: str | None, store: Path | None, output: out.Format
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
    out.show_table(comparison_table(comparison, metrics), output)
    if output == "table":
        if folded := len(comparison.metrics) - len(metrics):
            out.line(f"and {folded} metrics of single parameters: grad_norm/NAME, weight_norm/NAME")
        for sentence in comparison.mind:
            out.say(sentence)
        out.say(f"{comparison.same} other setting{'s are' if comparison.same != 1 else ' is'} the same in all.")


def _compare_groups(runs: Sequence[RecordedRun], group_by: str, output: out.Format) -> None:
    from runfolio.cli.output.tables import repeats_table
    from runfolio.query.selection.seed_groups import group_by_seed

    found = group_by_seed(runs, group_by=names_of(group_by))
    out.show_table(repeats_table(found, output), output)
    if output == "table":
        out.line("")
        out.say(found.caption)
