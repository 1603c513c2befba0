"""Trash of a store: deleted runs and pruned checkpoints, which can be restored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runfolio.errors import NotFound, RunfolioError, StoreError, did_you_mean
from runfolio.query.run_view import RunView
from runfolio.record import disk_use, pruned, trash
from runfolio.record.base.layout import TRASH, pruned_parts
from runfolio.record.base.name_lookup import find_by_name
from runfolio.record.base.run_document import RUNNING, RunDocument
from runfolio.record.checkpoints import manifests
from runfolio.record.content import run_edits


@dataclass(frozen=True)
class TrashedRun:
    """Run that was deleted or has pruned checkpoints in the trash."""

    id: str
    name: str
    run_path: str
    """Former folder, relative to the store."""
    folder: Path
    """Folder of the run in the trash. It exists only if the run itself was deleted."""
    is_deleted: bool
    """False if only checkpoints of the run are in the trash."""
    checkpoints: tuple[str, ...]
    """Names of the pruned checkpoints."""
    pruned_folder: Path
    """Folder of the pruned checkpoints in the trash. It exists only if checkpoints of the run were pruned."""
    deleted: datetime
    """Time of the last deletion or pruning, in UTC."""

    def size(self) -> int:
        """Return the disk space in bytes that is freed when the run is removed permanently. Each call counts the files
        again."""
        return sum(disk_use.size(folder) for folder in (self.folder, self.pruned_folder) if folder.is_dir())


class Trash:
    """Trash of one store."""

    def __init__(self, store: Path) -> None:
        self._store = store

    def runs(self) -> list[TrashedRun]:
        """Return the runs that are in the trash or have pruned checkpoints there. The most recently deleted run comes
        first."""
        run_paths = dict.fromkeys([*trash.run_paths(self._store), *pruned.run_paths(self._store)])
        trashed = [_trashed(self._store, run_path) for run_path in run_paths]
        return sorted((run for run in trashed if run is not None), key=lambda run: run.deleted, reverse=True)

    def run(self, name: str) -> TrashedRun:
        """Return the run with a given id, id prefix, name, or former folder (relative to the store).

        Raises:
            NotFound: No run matches. The message lists the most similar names.
            Ambiguous: Several runs match. The message lists their folders.
        """
        runs = self.runs()
        match = find_by_name(name, runs, [name], _describe)
        if match is None:
            names = {run.name for run in runs} | {run.id for run in runs}
            raise NotFound(f"no run {name!r} in the trash of {self._store}; {did_you_mean(name, names)}")
        return match

    def put(self, *runs: RunView, force: bool = False) -> None:
        """Delete runs by moving their folders to the trash.

        Args:
            force: Also delete runs that are being written to. Their scripts continue and log one warning.

        Raises:
            NotFound: A run no longer exists. All runs before it have already been deleted.
            StoreError: A run cannot be moved, or a run is being written to. In the second case, no run is deleted.
        """
        for run in runs:
            if run.state == RUNNING and not force:
                raise StoreError(f"run {run.id} ({run.name}) is being written; stop it first, or give --force")
        for run in runs:
            trash.put(self._store, run.run_path)

    def prune(self, run: RunView, names: Iterable[str]) -> list[str]:
        """Move checkpoints of a run to the trash, and return their names. Damaged checkpoints are not moved.

        Raises:
            NotFound: The run no longer exists.
            StoreError: The run is being written to, or a checkpoint cannot be moved.
        """
        if run.state == RUNNING:
            raise StoreError(f"run {run.id} ({run.name}) is being written; stop it first")
        return pruned.put(self._store, run.run_path, names)

    def restore(self, run: TrashedRun) -> Path:
        """Restore a run, and return its folder. The run's pruned checkpoints remain in the trash.

        Raises:
            NotFound: The run is no longer in the trash.
            StoreError: The former folder of the run exists again, or the run cannot be moved.
        """
        return trash.restore(self._store, run.run_path)

    def restore_checkpoints(self, run: TrashedRun) -> list[str]:
        """Restore the pruned checkpoints of a run, and return their names.

        If the run has a different checkpoint with the same name, the pruned checkpoint remains in the trash.

        Raises:
            NotFound: The run no longer exists, or none of its checkpoints is in the trash.
            StoreError: A checkpoint cannot be moved.
        """
        return pruned.restore(self._store, run.run_path)

    def purge(self, run: TrashedRun) -> int:
        """Remove a deleted run and its pruned checkpoints permanently, and return the freed bytes.

        Raises:
            NotFound: The run is no longer in the trash.
            StoreError: The run cannot be removed.
        """
        freed = trash.purge(self._store, run.run_path) if run.is_deleted else 0
        has_pruned = run.pruned_folder.is_dir() or not run.is_deleted
        return freed + (pruned.purge(self._store, run.run_path) if has_pruned else 0)

    def sweep(self) -> int:
        """Remove what interrupted calls of `purge` left on the disk, and return the freed bytes.

        Raises:
            StoreError: A folder cannot be removed.
        """
        return trash.sweep(self._store)


def _trashed(store: Path, run_path: str) -> TrashedRun | None:
    """Read a run in the trash. Return None if the run was removed in the meantime."""
    folder, pruned_folder = store / TRASH / run_path, pruned.folder(store, run_path)
    parts = pruned_parts(pruned_folder)
    is_deleted = folder.is_dir()
    try:
        times = [path.stat().st_mtime for path in ([folder] if is_deleted else []) + parts]
    except FileNotFoundError:
        return None
    if not times:
        return None
    run_folder = folder if is_deleted else store / run_path
    try:
        document = RunDocument.read(run_folder)
        name, run_id = run_edits.read(run_folder, document).values.get("name", document.name), document.id
    except (FileNotFoundError, RunfolioError):  # the folder's name contains the name and id of the run
        name, _, run_id = folder.name.rpartition("-")
    return TrashedRun(
        id=run_id,
        name=name,
        run_path=run_path,
        folder=folder,
        is_deleted=is_deleted,
        checkpoints=tuple(sorted({name for part in parts for name in manifests.names(part)})),
        pruned_folder=pruned_folder,
        deleted=datetime.fromtimestamp(max(times), UTC),
    )


def _describe(runs: Iterable[TrashedRun]) -> list[str]:
    return [f"deleted {run.deleted:%Y-%m-%d %H:%M} UTC" for run in runs]
