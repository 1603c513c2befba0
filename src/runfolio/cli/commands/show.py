"""`runfolio show`: show a page that describes one run."""

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
@click.option("--code", "part", flag_value="code", help="List the captured code files instead.")
@click.option("--diff", "part", flag_value="diff", help="Print the uncommitted changes instead, in git's format.")
@click.option("--json", "part", flag_value="json", help="Print the whole page as one JSON object.")
@click.option("--all", "everything", is_flag=True, help="Also show settings with default values and every metric.")
@click.option("--rank", type=int, metavar="N", help="Show the metrics of this rank if several ranks wrote to the run.")
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

    The page shows how the run ended, the settings that differ from their defaults, results, metrics, load, environment,
    code and files. RUN is an id, the start of an id, a name, a run's folder, `best` or `last`. `last` is the newest run
    and the default.

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
