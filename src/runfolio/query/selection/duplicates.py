"""Runs that repeat another one bit for bit or as a copy of its folder, and the runs without them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic

from runfolio.query.run_view import RunT, RunView
from runfolio.record.base.layout import slug
from runfolio.record.base.plurals import counted
from runfolio.record.base.run_document import REPRODUCTION


@dataclass(frozen=True)
class DistinctRuns(Generic[RunT]):
    """The runs that count, and how many do not."""

    runs: list[RunT]
    """In their order, without reproductions and second copies."""
    reproductions: int
    copies: int
    """Second folders of a run, by its id."""

    @property
    def sentence(self) -> str:
        """How many runs were left out; empty if none."""
        parts = [counted(self.reproductions, "reproduction")] if self.reproductions else []
        if self.copies:
            parts.append("1 second copy of a run" if self.copies == 1 else f"{self.copies} further copies of runs")
        return f"Left out: {' and '.join(parts)}." if parts else ""


def distinct_runs(runs: Iterable[RunT]) -> DistinctRuns[RunT]:
    """Return the runs that count in means, choices, leaderboards and pictures.

    A reproduction repeats a run that is there already, so it would give that run a second vote. So would a copied
    folder: of the folders of one id, the one in its own place counts (`EXPERIMENT/NAME-ID`).
    """
    runs = list(runs)
    originals = [run for run in runs if not is_reproduction(run)]
    first: dict[str, RunT] = {}
    for run in sorted(originals, key=_place):
        first.setdefault(run.id, run)
    kept = {run.run_path for run in first.values()}
    distinct = [run for run in originals if run.run_path in kept]
    return DistinctRuns(distinct, len(runs) - len(originals), len(originals) - len(distinct))


def is_reproduction(run: RunView) -> bool:
    """Return whether a run was started to repeat another one."""
    return (run.document.lineage or {}).get("kind") == REPRODUCTION


def copied_runs(runs: Iterable[RunT]) -> dict[str, list[RunT]]:
    """Return the runs of which there are several folders, by id; the folder that counts is the first."""
    runs = sorted(runs, key=_place)
    counts = Counter(run.id for run in runs)
    return {run_id: [run for run in runs if run.id == run_id] for run_id, count in counts.items() if count > 1}


def _place(run: RunView) -> tuple[bool, bool, str]:
    """Sort key: the folder that the run was given by its tracker comes before a copy of it."""
    given = f"{slug(run.experiment)}/{slug(run.document.name)}-{run.id}"
    return run.run_path != given, not run.run_path.endswith(run.id), run.run_path
