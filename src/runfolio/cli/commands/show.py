"""`runfolio show`: one run on one page."""

from __future__ import annotations

from pathlib import Path

import click

from runfolio.cli.output.options import (
    Command,
    best_metric_option,
    experiment_option,
    open_store,
    run_or_best,
    store_option,
)
from runfolio.record.base.name_lookup import LAST


@click.command(cls=Command)
@click.argument("run", default=LAST, metavar="[RUN]")
@click.option("--code", "part", flag_value="code", help="List the files kept of the code instead.")
@click.option("--diff", "part", flag_value="diff", help="Print its uncommitted changes instead, as git does.")
@click.option("--json", "part", flag_value="json", help="Print all that the page has as one JSON object.")
@click.option("--all", "everything", is_flag=True, help="Show settings at their defaults and every metric, too.")
@click.option("--rank", type=int, metavar="N", help="Show the metrics of this rank, of a run that several wrote.")
@best_metric_option
@experiment_option
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
    id, the beginning of one, a name, a run's folder, `best` or `last`, the newest run, which is shown without RUN.

    \b
    runfolio show
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
    recorded = run_or_best(run, metric, experiment, folio)
    if part == "code":
        code.print_captured_files(recorded)
    elif part == "diff":
        code.print_uncommitted_diff(recorded)
    elif part == "json":
        run_page.print_run_json(recorded, folio.children(recorded), rank)
    else:
        run_page.print_run_page(recorded, folio.children(recorded), rank, everything=everything)
