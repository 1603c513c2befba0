"""`doctor`: what is damaged in a store, what is lost, and mending what can be."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runfolio.cli.output import output as out
from runfolio.cli.output.options import Command, store_option
from runfolio.cli.output.progress import progress_display

if TYPE_CHECKING:
    from runfolio.repair.doctor import Doctor, Examination

_STYLES = {"lost": "red", "damaged": "yellow", "unchecked": "yellow", "leftover": "dim"}


@click.command(cls=Command)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--repair", is_flag=True, help="Repair what can be; damaged files are kept, in `damaged/` of the run.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@store_option
def doctor(runs: tuple[str, ...], repair: bool, as_json: bool, store: Path | None) -> None:
    """Check the record: every byte of every run, or of those named.

    Says what is damaged and what is lost; ends with status 0 where all is whole, else 1. What a process that was killed
    left behind is told, and is no damage. A run that is being written is checked and never repaired.

    \b
    runfolio doctor
    runfolio doctor k3f9 --repair
    """
    from runfolio.repair.doctor import Doctor

    examiner = Doctor(store)
    folders = examiner.select_folders(runs)
    found = list(_shown(examiner, folders, repair=repair, as_json=as_json))
    examiner.save_beats()
    index = _index_state(examiner, repair=repair)
    if as_json:
        click.echo(
            json.dumps({"store": str(examiner.store), "index": index, "runs": found}, indent=2, ensure_ascii=False)
        )
    else:
        _print_summary(examiner, found, index, repair=repair)
    if index == "damaged" or not all(run["whole"] for run in found):
        sys.exit(1)


def _shown(examiner: Doctor, folders: Iterable[Path], *, repair: bool, as_json: bool) -> Iterator[dict[str, Any]]:
    """Examine one run after the other, print what is to be said of each, and keep that alone."""
    folders = list(folders)
    with progress_display() as progress:
        task = progress.add_task("checking", total=len(folders))
        for folder in folders:
            progress.update(task, description=folder.name)
            examined = examiner.examine(folder, repair=repair)
            if not as_json:
                _print_run(examined)
            yield _plain(examined)
            progress.advance(task)


def _plain(examined: Examination) -> dict[str, Any]:
    checkup = examined.checkup
    return {
        "run": examined.run_path,
        "state": checkup.state,
        "at_work": checkup.at_work,
        "whole": checkup.is_whole,
        "findings": [
            {"file": each.file, "severity": str(each.severity), "what": each.message} for each in checkup.findings
        ],
        "repaired": examined.repairs,
    }


def _print_run(examined: Examination) -> None:
    checkup = examined.checkup
    if not checkup.findings and not examined.repairs:
        return
    out.line(f"{examined.run_path}  ({checkup.state})", style="bold")
    for sentence in examined.repairs:
        out.line(f"  repaired   {sentence}", style="green")
    for each in checkup.findings:
        out.line(f"  {each.severity:<10} {each.file}: {each.message}", style=_STYLES[each.severity])


def _print_summary(examiner: Doctor, found: list[dict[str, Any]], index: str, *, repair: bool) -> None:
    for link in examiner.links:
        out.line(f"{link.relative_to(examiner.store)} is a link, which is not followed: check the store it leads to")
    if index != "whole":
        out.line(
            {
                "damaged": "The index is damaged; it is made anew when it is needed.",
                "rebuilt": "The index was made anew.",
            }[index]
        )
    for spool in examiner.strays():
        out.line(
            f"Points of run {spool.run_id} wait in {spool.folder}, but its folder {spool.run_folder} is gone:"
            " put that back and use --repair, or delete the other"
        )
    unwell = sum(not run["whole"] for run in found)
    said = f"{out.count(len(found), 'run')} checked"
    out.say(f"{said}: {'all whole' if not unwell else f'{unwell:,} not whole'}.")
    mendable = [run for run in found if run["findings"] and not run["at_work"]]
    if mendable and not repair:
        out.say("--repair mends what can be, tidies up, and keeps every damaged file.")
    if repair and any(run["at_work"] and not run["whole"] for run in found):
        out.say("Runs that are being written were not repaired; do it once they have ended.")


def _index_state(examiner: Doctor, *, repair: bool) -> str:
    if not examiner.index_is_damaged:
        return "whole"
    if repair:
        examiner.mend_index()
        return "rebuilt"
    return "damaged"
