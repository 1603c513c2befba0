"""Runs that repeat another one bit for bit or as a copy of its folder, and the runs without them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic

from runfolio.query.run_view import RunT, RunView
from runfolio.record.base.layout import slug
from runfolio.record.base.plurals import counted
from runfolio.record.base.run_document import REPRODUCTION, RunDocument


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
        """Return one sentence on the number of runs that were left out, empty if there are none."""
        parts = [counted(self.reproductions, "reproduction")] if self.reproductions else []
        if self.copies:
            parts.append("1 second copy of a run" if self.copies == 1 else f"{self.copies} further copies of runs")
        return f"Left out: {' and '.join(parts)}." if parts else ""


def distinct_runs(runs: Iterable[RunT]) -> DistinctRuns[RunT]:
    """Return the runs that count in means, choices, leaderboards and pictures.

    A reproduction repeats a run that is there already, so it would give that run a second vote, unless it was given
    other settings. So would a copied folder: of the folders of one id, the one in its own place counts
    (`EXPERIMENT/NAME-ID`).
    """
    runs = list(runs)
    originals = [run for run in runs if not is_reproduction(run)]
    first: dict[str, RunT] = {}
    for run in sorted(originals, key=lambda run: _place(run.run_path, run.document)):
        first.setdefault(run.id, run)
    kept = {run.run_path for run in first.values()}
    distinct = [run for run in originals if run.run_path in kept]
    return DistinctRuns(distinct, len(runs) - len(originals), len(originals) - len(distinct))


def is_reproduction(run: RunView) -> bool:
    """Return whether a run was started to repeat another one with the same settings."""
    lineage = run.document.lineage or {}
    return lineage.get("kind") == REPRODUCTION and not lineage.get("changed")


def copied_runs(documents: Mapping[str, RunDocument]) -> dict[str, list[str]]:
    """Return the folders of each run that has several, by its id; the folder that counts is the first.

    Args:
        documents: The document of each run folder, by its path below the store.
    """
    folders: dict[str, list[str]] = {}
    for run_path in sorted(documents, key=lambda run_path: _place(run_path, documents[run_path])):
        folders.setdefault(documents[run_path].id, []).append(run_path)
    return {run_id: run_paths for run_id, run_paths in folders.items() if len(run_paths) > 1}


def _place(run_path: str, document: RunDocument) -> tuple[bool, bool, str]:
    """Sort key: the folder that the run was given by its tracker comes before a copy of it."""
    given = f"{slug(document.experiment)}/{slug(document.name)}-{document.id}"
    return run_path != given, not run_path.endswith(document.id), run_path
