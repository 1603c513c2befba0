"""Detection of duplicates: runs that reproduce another run, and copied run folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from runfolio.query.run_view import RunT
from runfolio.record.base.layout import slug
from runfolio.record.base.plurals import counted
from runfolio.record.base.run_document import RunDocument


@dataclass(frozen=True)
class DistinctRuns(Generic[RunT]):
    """Runs without duplicates, and the number of duplicates that were left out."""

    runs: list[RunT]
    """Runs without reproductions and copies, in the original order."""
    reproductions: int
    copies: int
    """Number of folders that are copies of another run's folder."""

    @property
    def sentence(self) -> str:
        """Sentence that states how many runs were left out, or an empty string if no run was left out."""
        parts = [counted(self.reproductions, "reproduction")] if self.reproductions else []
        if self.copies:
            parts.append("1 copy of a run" if self.copies == 1 else f"{self.copies} copies of runs")
        return f"Left out: {' and '.join(parts)}." if parts else ""


def distinct_runs(runs: Iterable[RunT]) -> DistinctRuns[RunT]:
    """Return the runs, leaving out reproductions and copied folders. No run is then counted twice.

    A reproduction with changed settings is not a duplicate, so it is kept. If several folders have the same id, the
    original is the folder with the expected path `EXPERIMENT/NAME-ID`.
    """
    runs = list(runs)
    originals = [run for run in runs if not run.is_reproduction]
    folders: dict[str, list[RunT]] = {}
    for run in originals:
        folders.setdefault(run.id, []).append(run)
    run_paths = {_original(copies).run_path for copies in folders.values()}
    distinct = [run for run in originals if run.run_path in run_paths]
    return DistinctRuns(distinct, len(runs) - len(originals), len(originals) - len(distinct))


def copied_runs(documents: Mapping[str, RunDocument]) -> dict[str, list[str]]:
    """Return the folders of each run that has several folders, keyed by run id. The first folder is the original.

    Args:
        documents: Documents of the runs, keyed by folder relative to the store.
    """
    folders: dict[str, list[str]] = {}
    for run_path in sorted(documents, key=lambda run_path: _original_first(run_path, documents[run_path])):
        folders.setdefault(documents[run_path].id, []).append(run_path)
    return {run_id: run_paths for run_id, run_paths in folders.items() if len(run_paths) > 1}


def _original(copies: Sequence[RunT]) -> RunT:
    if len(copies) == 1:
        return copies[0]
    return min(copies, key=lambda run: _original_first(run.run_path, run.document))


def _original_first(run_path: str, document: RunDocument) -> tuple[bool, bool, str]:
    """Return a sort key that puts the original folder before its copies."""
    original = f"{slug(document.experiment)}/{slug(document.name)}-{document.id}"
    return run_path != original, not run_path.endswith(document.id), run_path
