"""Commands that read the record: `runs`, `show`, `best`, `compare`."""

from __future__ import annotations

from pathlib import Path

import click

from runfolio.cli import output as out
from runfolio.cli.options import Command, experiment_filter, mode_option, open_store, store_option


@click.command("runs", cls=Command)
@click.option("--sort", metavar="COLUMN", help="Order by a column; with - before it, largest first.")
@click.option("--columns", metavar="A,B,...", help="The columns to show, such as name,state,lr,val/acc.")
@experiment_filter
@store_option
@out.format_options
def list_runs(
    sort: str | None, columns: str | None, experiment: str | None, store: Path | None, output: out.Format
) -> None:
    """List the runs of the store, newest first.

    A column is a fact (id, name, experiment, state, created, duration_s, ended, reason, tags, notes, series, host,
    device, commit, folder), a setting (lr or params.lr), a result (test/acc or summary.test/acc), or the last value
    of a metric (metrics.val/acc). JSON and CSV have every column unless --columns chooses; numbers that JSON lacks
    are "NaN", "Infinity" and "-Infinity" there.

    \b
    runfolio runs
    runfolio runs --sort -val/acc
    runfolio runs --columns name,lr,epochs,val/acc --csv > runs.csv
    """
    from runfolio.cli.tables import runs_table
    from runfolio.query.table import every_column, table

    folio = open_store(store)
    runs = folio.runs(experiment)
    chosen = [name.strip() for name in columns.split(",")] if columns else None
    if chosen is None and output != "table":
        chosen = every_column(runs)
    if runs or output != "table":
        out.show_table(runs_table(table(runs, chosen, sort), all_needed=chosen is not None), output)
    else:
        out.line(f"No runs in {folio.store} yet; `runfolio train` makes one.")
    out.warn(folio.problems)


@click.command(cls=Command)
@click.argument("run")
@store_option
def show(run: str, store: Path | None) -> None:
    """Show one run on one page.

    How it ended, settings, results, metrics, environment, files. RUN is an id, the beginning of one, a name, or a
    run's folder.

    \b
    runfolio show k3f9
    runfolio show tinyvgg-20pct-5ep
    """
    from runfolio.cli.page import print_page

    print_page(open_store(store).run(run))


@click.command(cls=Command)
@click.argument("metric")
@mode_option
@experiment_filter
@store_option
def best(metric: str, mode: str | None, experiment: str | None, store: Path | None) -> None:
    """Name the best run by a metric, and say which data chose it.

    Whether more or less is better is guessed from the metric's name; --min and --max decide.

    \b
    runfolio best val/acc
    runfolio best cost --min --experiment digits
    """
    from runfolio.query.choose import choose

    choice = choose(open_store(store).runs(experiment), metric, mode)
    out.say(choice.sentence)
    out.line(str(choice.run.folder))


@click.command(cls=Command)
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...")
@store_option
@out.format_options
def compare(runs: tuple[str, ...], store: Path | None, output: out.Format) -> None:
    """Compare runs side by side.

    The settings and results in which they differ, and the last and best value of every metric.

    \b
    runfolio compare k3f9 a7x2
    runfolio compare tinyvgg-5ep mlp-5ep mlp-10ep --csv
    """
    from runfolio.cli.tables import comparison_table
    from runfolio.query.compare import compare as compare_runs

    folio = open_store(store)
    comparison = compare_runs([folio.run(name) for name in runs])
    out.show_table(comparison_table(comparison), output)
    if output == "table":
        out.say(f"{comparison.same} other setting{'s are' if comparison.same != 1 else ' is'} the same in all.")
