"""`runfolio doctor`: find and repair damage in a store."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runfolio.cli.memory_limit import limit_memory
from runfolio.cli.output.json_output import print_json
from runfolio.cli.output.options import Command, store_option
from runfolio.cli.output.progress import progress_display
from runfolio.cli.pages.doctor import examined_to_json, print_examined_run, print_summary

if TYPE_CHECKING:
    from runfolio.repair.doctor import Doctor


@click.command(cls=Command)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--repair", is_flag=True, help="Repair as much as possible; damaged files are moved to `damaged/`.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@store_option
def doctor(runs: tuple[str, ...], repair: bool, as_json: bool, store: Path | None) -> None:
    """Check every byte of runs, and repair damage.

    Without RUN, all runs of the store are checked. The result lists damaged files and lost data. The exit status is 0
    if everything is intact, else 1. Leftovers of killed processes are listed, but do not count as damage. A run that is
    being written is checked but never repaired. Runs that have several folders in the store are listed.

    \b
    runfolio doctor
    runfolio doctor k3f9 --repair
    """
    from runfolio.repair.doctor import Doctor

    if not repair:
        limit_memory()
    examiner = Doctor(store)
    examined = list(_examine_runs(examiner, list(examiner.select_folders(runs)), repair=repair, as_json=as_json))
    examiner.save_beats()
    index = _index_state(examiner, repair=repair)
    if as_json:
        print_json({"store": str(examiner.store), "index": index, "copies": examiner.copies(), "runs": examined})
    else:
        print_summary(examiner, examined, index, repair=repair)
    if index == "damaged" or not all(run["whole"] for run in examined):
        sys.exit(1)


def _examine_runs(
    examiner: Doctor, run_paths: Sequence[Path], *, repair: bool, as_json: bool
) -> Iterator[dict[str, Any]]:
    """Examine one run after another. Print the findings of each run, and yield them as a JSON object."""
    with progress_display() as progress:
        task = progress.add_task("checking", total=len(run_paths))
        for run_path in run_paths:
            progress.update(task, description=run_path.name)
            examined = examiner.examine(run_path, repair=repair)
            if not as_json:
                print_examined_run(examined)
            yield examined_to_json(examined)
            progress.advance(task)


def _index_state(examiner: Doctor, *, repair: bool) -> str:
    if not examiner.index_is_damaged:
        return "whole"
    if repair:
        examiner.mend_index()
        return "rebuilt"
    return "damaged"
