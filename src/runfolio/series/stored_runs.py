"""Lookup of stored runs by fingerprint, which is a digest of the settings that identify a run of a series."""

from __future__ import annotations

from pathlib import Path

from runfolio.errors import DamagedFile, NewerFormat, StoreError
from runfolio.query.run import RecordedRun
from runfolio.query.store import Folio, open_folio
from runfolio.record.base.layout import find_runs, store_folder
from runfolio.record.base.run_document import RunDocument


class StoredRuns:
    """Lookup of the runs of one experiment by fingerprint. The lookup includes runs that other processes added.

    Fingerprints never change, so each `run.json` is read only once. Only matching runs are opened.
    """

    def __init__(self, store: Path | None, experiment: str) -> None:
        self._store = store
        self._experiment = experiment
        self._folio: Folio | None = None
        self._fingerprints: dict[Path, str | None] = {}

    def with_fingerprint(self, fingerprint: str) -> list[RecordedRun]:
        """Return the runs with this fingerprint, newest first, including archived runs."""
        store = store_folder(self._store).resolve()
        if fingerprint not in [self._fingerprint(folder) for folder in find_runs(store)]:
            return []
        if self._folio is None:
            self._folio = open_folio(self._store)
        runs = self._folio.runs(self._experiment, archived=True)
        return [run for run in runs if (run.document.series or {}).get("fingerprint") == fingerprint]

    def _fingerprint(self, folder: Path) -> str | None:
        """Return the fingerprint of a run, or None if the run is unreadable, in a different experiment, or not in a
        series."""
        if folder not in self._fingerprints:
            try:
                document = RunDocument.read(folder)
            except (FileNotFoundError, DamagedFile, NewerFormat, StoreError):
                return None
            is_member = document.experiment == self._experiment
            self._fingerprints[folder] = (document.series or {}).get("fingerprint") if is_member else None
        return self._fingerprints[folder]
