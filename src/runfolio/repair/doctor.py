"""Check the runs of a store one by one, and repair them without losing data."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from runfolio.errors import NotFound, RunfolioError
from runfolio.query.index.database import index_path, remove
from runfolio.query.index.run_index import StoreIndex, is_damaged, read_beats, write_scan
from runfolio.query.index.scan import HeartbeatHistory
from runfolio.query.selection.duplicates import copied_runs
from runfolio.query.store import check_store, open_folio
from runfolio.record.base.layout import store_folder
from runfolio.record.base.run_document import RunDocument
from runfolio.record.spool import StoredSpool, find_spools, spools_of
from runfolio.repair.checkup import Checkup, check
from runfolio.repair.mend import mend
from runfolio.repair.run_folders import find_folders


@dataclass(frozen=True)
class Examination:
    """Result of examining one run: its current state and the repairs that were made."""

    run_path: str
    """Path of the run's folder relative to the store, with `/` as separator."""
    checkup: Checkup
    repairs: list[str] = field(default_factory=list)
    """One sentence for each repair that was made."""


class Doctor:
    """Checks and repairs of the runs of one store."""

    def __init__(self, store: str | os.PathLike[str] | None = None) -> None:
        """List the runs of a store.

        Raises:
            NotFound: The folder does not exist.
        """
        self.store = store_folder(store).resolve()
        check_store(self.store)
        self.folders, self.links = find_folders(self.store)
        """Run folders, including those without `run.json`, and links to folders, which are not followed."""
        path = index_path(self.store)
        self.index_is_damaged = path is not None and is_damaged(path)
        self._index = StoreIndex(self.store, fill=lambda index: None)  # used only for the heartbeats that it stores
        self._history = HeartbeatHistory({} if self.index_is_damaged else self._index.read(read_beats))

    def strays(self) -> list[StoredSpool]:
        """Return the spools on this machine that belong to runs of this store whose folders are missing. A spool
        contains points of a run whose store was not available."""
        spool_folders = {spool.folder for folder in self.folders for spool in spools_of(folder)}
        of_store = [spool for spool in find_spools() if spool.run_folder.resolve().is_relative_to(self.store)]
        return [spool for spool in of_store if spool.folder not in spool_folders]

    def copies(self) -> dict[str, list[str]]:
        """Return the folders of each run that is stored in several folders, keyed by run id. The folder that readers
        use comes first."""
        documents: dict[str, RunDocument] = {}
        for folder in self.folders:
            with suppress(RunfolioError, OSError, UnicodeError):  # `examine` reports the error
                documents[folder.relative_to(self.store).as_posix()] = RunDocument.read(folder)
        return copied_runs(documents)

    def select_folders(self, names: Sequence[str]) -> list[Path]:
        """Return the folders of the runs with these ids, names or paths, or all folders if `names` is empty.

        Raises:
            NotFound, Ambiguous: As in `Folio.run`.
        """
        return [self._find_folder(name) for name in dict.fromkeys(names)] or self.folders

    def examine(self, folder: Path, *, repair: bool = False) -> Examination:
        """Check a run. If `repair` is True, also repair the run if it has findings and no process is writing to it.

        Raises:
            StoreError: A file cannot be written.
        """
        run_path = folder.relative_to(self.store).as_posix()
        checkup = check(folder, self._history)
        repairs = mend(folder, self._history) if repair and checkup.findings else []
        return Examination(run_path, check(folder, self._history) if repairs else checkup, repairs)

    def mend_index(self) -> None:
        """Rebuild the index of the store."""
        if (path := index_path(self.store)) is not None:
            remove(path)
        open_folio(self.store).runs()
        self.index_is_damaged = False

    def save_beats(self) -> None:
        """Store the heartbeats, so that a later check can determine whether a process on another machine is still
        alive."""
        if self._history.beats and not self.index_is_damaged:
            beats = {**self._index.read(read_beats), **self._history.beats}
            self._index.use(lambda index: write_scan(index, [], beats=beats))

    def _find_folder(self, name: str) -> Path:
        path = posixpath.normpath(name)
        for folder in self.folders:  # the list includes runs without `run.json`, which readers do not find
            run_path = folder.relative_to(self.store).as_posix()
            if path in (run_path, folder.name, folder.name.rpartition("-")[2]) or Path(name).absolute() == folder:
                return folder
        folder_of_run = open_folio(self.store).run(name).folder
        if folder_of_run not in self.folders:
            raise NotFound(
                f"{folder_of_run} is behind a link, and links are not followed; check the store that contains the run"
            )
        return folder_of_run
