"""Deleted runs: into the trash, out of it, and gone for good."""

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
    """A run in the trash."""

    id: str
    name: str
    run_path: str
    """The folder below the store where it was."""
    folder: Path
    """Where it lies now."""
    deleted: datetime
    """When, in UTC."""

    def size(self) -> int:
        """The bytes on the disk that purging it frees; counted anew at each call."""
        return trash.size(self.folder)


class Trash:
    """The trash of one store."""

    def __init__(self, store: Path) -> None:
        self._store = store

    def runs(self) -> list[TrashedRun]:
        """What lies in it, the latest first."""
        trashed = [_trashed(self._store, run_path) for run_path in trash.run_paths(self._store)]
        return sorted((run for run in trashed if run is not None), key=lambda run: run.deleted, reverse=True)

    def run(self, name: str) -> TrashedRun:
        """One of them, by its id, the start of its id, its name, or the folder below the store where it was.

        Raises:
            NotFound: Nothing of that name lies there; the message names the nearest.
            Ambiguous: Several fit; the message lists their folders.
        """
        runs = self.runs()
        match = find_by_name(name, runs, [name], _describe)
        if match is None:
            names = {run.name for run in runs} | {run.id for run in runs}
            raise NotFound(f"no run {name!r} in the trash of {self._store}; {did_you_mean(name, names)}")
        return match

    def put(self, *runs: RunView, force: bool = False) -> None:
        """Delete runs: their folders move to the trash as they are.

        Args:
            force: Also those being written: a writer says once that its folder is gone, and the training goes on.
        Raises:
            NotFound: One is gone already; those before it are deleted.
            StoreError: One is being written, and none is deleted; or one cannot be moved.
        """
        for run in runs:
            if run.state == RUNNING and not force:
                raise StoreError(f"run {run.id} ({run.name}) is being written; stop it first, or say --force")
        for run in runs:
            trash.put(self._store, run.run_path)

    def restore(self, run: TrashedRun) -> Path:
        """Undelete a run; the folder where it lies again.

        Raises:
            NotFound: It is not in the trash any more.
            StoreError: Something else has taken its place, or it cannot be moved.
        """
        return trash.restore(self._store, run.run_path)

    def purge(self, run: TrashedRun) -> int:
        """Remove a run for good; the bytes that this frees.

        Raises:
            NotFound: It is not in the trash any more.
            StoreError: It cannot be removed.
        """
        return trash.purge(self._store, run.run_path)

    def sweep(self) -> int:
        """Remove what an interrupted purge left; the bytes that this frees.

        Raises:
            StoreError: It cannot be removed.
        """
        return trash.sweep(self._store)


def _trashed(store: Path, run_path: str) -> TrashedRun | None:
    """None where it is taken away this very moment."""
    folder = store / TRASH / run_path
    try:
        deleted = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
    except FileNotFoundError:
        return None
    try:
        document = RunDocument.read(folder)
        name, run_id = run_edits.read(folder, document).values.get("name", document.name), document.id
    except (FileNotFoundError, RunfolioError):  # the folder was named after the run and its id
        name, _, run_id = folder.name.rpartition("-")
    return TrashedRun(id=run_id, name=name, run_path=run_path, folder=folder, deleted=deleted)


def _describe(runs: Iterable[TrashedRun]) -> list[str]:
    return [f"deleted {run.deleted:%Y-%m-%d %H:%M} UTC" for run in runs]
