"""Trash of deleted runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runfolio.errors import NotFound, RunfolioError, StoreError, did_you_mean
from runfolio.query.run_view import RunView
from runfolio.record import trash
from runfolio.record.base.layout import TRASH
from runfolio.record.base.name_lookup import find_by_name
from runfolio.record.base.run_document import RUNNING, RunDocument
from runfolio.record.content import run_edits


@dataclass(frozen=True)
class TrashedRun:
    """Run in the trash."""

    id: str
    name: str
    run_path: str
    """Former folder, relative to the store."""
    folder: Path
    """Current folder in the trash."""
    deleted: datetime
    """Time of the deletion, in UTC."""

    def size(self) -> int:
        """Return the disk space that purging the run frees, in bytes. Each call counts the files again."""
        return trash.size(self.folder)


class Trash:
    """Trash of one store."""

    def __init__(self, store: Path) -> None:
        self._store = store

    def runs(self) -> list[TrashedRun]:
        """Return the runs in the trash, the last deleted first."""
        trashed = [_trashed(self._store, run_path) for run_path in trash.run_paths(self._store)]
        return sorted((run for run in trashed if run is not None), key=lambda run: run.deleted, reverse=True)

    def run(self, name: str) -> TrashedRun:
        """Return one run by its id, a prefix of its id, its name, or its former folder, relative to the store.

        Raises:
            NotFound: No run matches; the message names the most similar ones.
            Ambiguous: Several runs match; the message lists their folders.
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
            force: Also delete runs that are being written to. Their training continues with one warning.

        Raises:
            NotFound: A run is already gone. The runs before it are deleted.
            StoreError: A run is being written to, so that no run is deleted, or a run cannot be moved.
        """
        for run in runs:
            if run.state == RUNNING and not force:
                raise StoreError(f"run {run.id} ({run.name}) is being written; stop it first, or give --force")
        for run in runs:
            trash.put(self._store, run.run_path)

    def restore(self, run: TrashedRun) -> Path:
        """Restore a run, and return its folder.

        Raises:
            NotFound: The run is no longer in the trash.
            StoreError: Its former folder exists again, or the run cannot be moved.
        """
        return trash.restore(self._store, run.run_path)

    def purge(self, run: TrashedRun) -> int:
        """Remove a run permanently, and return the freed bytes.

        Raises:
            NotFound: The run is no longer in the trash.
            StoreError: The run cannot be removed.
        """
        return trash.purge(self._store, run.run_path)

    def sweep(self) -> int:
        """Remove the remains of interrupted purges, and return the freed bytes.

        Raises:
            StoreError: A folder cannot be removed.
        """
        return trash.sweep(self._store)


def _trashed(store: Path, run_path: str) -> TrashedRun | None:
    """Read a run in the trash; None if it was removed in the meantime."""
    folder = store / TRASH / run_path
    try:
        deleted = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
    except FileNotFoundError:
        return None
    try:
        document = RunDocument.read(folder)
        name, run_id = run_edits.read(folder, document).values.get("name", document.name), document.id
    except (FileNotFoundError, RunfolioError):  # the folder is named after the run and its id
        name, _, run_id = folder.name.rpartition("-")
    return TrashedRun(id=run_id, name=name, run_path=run_path, folder=folder, deleted=deleted)


def _describe(runs: Iterable[TrashedRun]) -> list[str]:
    return [f"deleted {run.deleted:%Y-%m-%d %H:%M} UTC" for run in runs]
