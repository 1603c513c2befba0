"""`runfolio diff`: show how two runs differed when they started."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from runfolio.cli.output.json_output import print_json
from runfolio.cli.output.options import Command, open_store, store_option


@click.command(cls=Command)
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@store_option
def diff(first: str, second: str, as_json: bool, store: Path | None) -> None:
    """Show how two runs differed when they started.

    After a summary, the differences in code (commit, captured files, uncommitted changes), settings, data, packages
    and environment are listed. To compare the results, use `runfolio compare`.

    \b
    runfolio diff k3f9 a7x2
    runfolio diff tinyvgg-5ep tinyvgg-10ep --json
    """
    from runfolio.cli.pages.code import print_run_diff
    from runfolio.query.explain.run_diff import diff as diff_runs

    folio = open_store(store)
    before, after = folio.run(first), folio.run(second)
    difference = diff_runs(before, after)
    if as_json:
        print_json({"summary": difference.sentence, "ids": [before.id, after.id], **asdict(difference)})
    else:
        print_run_diff(difference)
