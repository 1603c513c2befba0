"""Plan for the removal of checkpoints (pruning): the runs that lose checkpoints, and the runs that keep them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from runfolio.query.run import RecordedRun
from runfolio.query.selection.ranking import default_metric, ranked
from runfolio.record import disk_use
from runfolio.record.base.layout import CHECKPOINTS
from runfolio.record.base.run_document import RUNNING


@dataclass(frozen=True)
class Removal:
    """Checkpoints of one run that will be pruned."""

    run: RecordedRun
    names: list[str]
    paths: list[str]
    """Files that are used by these checkpoints only."""


def kept_runs(
    runs: Sequence[RecordedRun], *, best: int, newest: int, metric: str | None = None, mode: str | None = None
) -> set[str]:
    """Return the best and the newest runs, which keep their checkpoints, as folders relative to the store.

    Args:
        runs: Candidates.
        best: Number of runs with the best `metric` (see `ranking.ranked`).
        newest: Number of newest runs.
        metric: Name of the metric. Default: `ranking.default_metric`.
        mode: `min` or `max`. Default: guessed from the name of the metric.

    Raises:
        NotFound: No run has the metric.
        ConfigError: The mode cannot be guessed.
    """
    chosen = ranked(runs, metric or default_metric(runs), mode)[:best] if best and runs else []
    by_age = sorted(runs, key=lambda run: run.created, reverse=True)
    return {run.run_path for run in (*chosen, *by_age[:newest])}


def reasons_to_skip(runs: Iterable[RecordedRun], live_runs: Iterable[RecordedRun]) -> dict[str, str]:
    """Return the reasons why checkpoints of some runs must not be pruned now, keyed by the run's folder relative to the
    store.

    Args:
        runs: Runs to check.
        live_runs: Runs of the store that are being written to. These runs and their parents must not be pruned.
    """
    live_children = {lineage["run"]: run for run in live_runs if (lineage := run.document.lineage)}
    reasons: dict[str, str] = {}
    for run in runs:
        if run.state == RUNNING:
            reasons[run.run_path] = "is being written"
        elif child := live_children.get(run.id):
            reasons[run.run_path] = f"is the parent of {child.name} ({child.id}), which is being written"
    return reasons


def removal(run: RecordedRun, wanted: Collection[str] = ()) -> Removal | None:
    """Return the checkpoints of a run that can be pruned, or None if there are none.

    Args:
        run: Run that has the checkpoints.
        wanted: Names of the checkpoints to prune. Default: all checkpoints.
    """
    files = {checkpoint.name: checkpoint.file_names for checkpoint in run.checkpoints}
    names = sorted(name for name in files if not wanted or name in wanted)
    if not names:
        return None
    used = {file for name, entries in files.items() if name not in names for file in entries}
    unused = dict.fromkeys(file for name in names for file in files[name] if file not in used)
    folder = f"{run.folder}/{CHECKPOINTS}"
    return Removal(run, names, [f"{folder}/{file}" for file in (*unused, *(f"{name}.json" for name in names))])


def freed_bytes(removals: Sequence[Removal]) -> list[int]:
    """Return the number of bytes that each removal frees when the trash is emptied.

    A file with several hard links is counted once, and only if all its links are removed.
    """
    statuses = [[status for path in removal.paths if (status := disk_use.status_of(path))] for removal in removals]
    links = Counter((status.st_dev, status.st_ino) for entries in statuses for status in entries)
    freed: list[int] = []
    for entries in statuses:
        inodes = {(status.st_dev, status.st_ino): status for status in entries}
        removed = [status for inode, status in inodes.items() if links.pop(inode, 0) == status.st_nlink]
        freed.append(sum(status.st_blocks * disk_use.BLOCK for status in removed))
    return freed
