"""Print the results of `runfolio doctor`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runfolio.cli.output.console import print_line, print_text
from runfolio.record.base.plurals import counted

if TYPE_CHECKING:
    from runfolio.repair.doctor import Doctor, Examination

_SEVERITY_STYLES = {"lost": "red", "damaged": "yellow", "unchecked": "yellow", "leftover": "dim"}
_INDEX_MESSAGES = {
    "damaged": "The index is damaged; it will be rebuilt when it is needed.",
    "rebuilt": "The index was rebuilt.",
}


def examined_to_json(examined: Examination) -> dict[str, Any]:
    """Return the findings of one run as a JSON object."""
    checkup = examined.checkup
    return {
        "run": examined.run_path,
        "state": checkup.state,
        "at_work": checkup.at_work,
        "whole": checkup.is_whole,
        "findings": [
            {"file": finding.file, "severity": str(finding.severity), "what": finding.message}
            for finding in checkup.findings
        ],
        "repaired": examined.repairs,
    }


def print_examined_run(examined: Examination) -> None:
    """Print the findings and repairs of one run, if there are any."""
    checkup = examined.checkup
    if not checkup.findings and not examined.repairs:
        return
    print_line(f"{examined.run_path}  ({checkup.state})", style="bold")
    for sentence in examined.repairs:
        print_line(f"  repaired   {sentence}", style="green")
    for finding in checkup.findings:
        print_line(
            f"  {finding.severity:<10} {finding.file}: {finding.message}", style=_SEVERITY_STYLES[finding.severity]
        )


def _copies(copies: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield a sentence for each run that has several folders in the store."""
    for run_id, (first, *others) in copies.items():
        folders = ", ".join(others)
        yield (
            f"Run {run_id} is stored {len(others) + 1} times, in {first} and in {folders}. Only {first} is used in"
            " means, choices and plots; move the other folders out of the store"
        )


def print_summary(examiner: Doctor, runs: Sequence[dict[str, Any]], index: str, *, repair: bool) -> None:
    """Print the result for the whole store.

    Args:
        runs: Results of `examined_to_json`, one per run.
        index: State of the store's index: "whole", "damaged" or "rebuilt".
    """
    for link in examiner.links:
        print_line(f"{link.relative_to(examiner.store)} is a link, which is not followed; check its target separately")
    if index in _INDEX_MESSAGES:
        print_line(_INDEX_MESSAGES[index])
    for spool in examiner.strays():
        print_line(
            f"Points of run {spool.run_id} are in {spool.folder}, but the run's folder {spool.run_folder} is missing;"
            " restore the run's folder and use --repair, or delete the points"
        )
    for sentence in _copies(examiner.copies()):
        print_text(sentence)
    damaged = sum(not run["whole"] for run in runs)
    verdict = "all intact" if not damaged else f"{damaged:,} damaged"
    print_text(f"{counted(len(runs), 'run')} checked: {verdict}.")
    repairable = [run for run in runs if run["findings"] and not run["at_work"]]
    if repairable and not repair:
        print_text("--repair repairs what it can, cleans up, and keeps every damaged file.")
    if repair and any(run["at_work"] and not run["whole"] for run in runs):
        print_text("Runs that are being written were not repaired; repair them after they have ended.")
