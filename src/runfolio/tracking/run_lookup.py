"""Lookup of the run that `init(resume=...)`, `resume` or `fork` names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from runfolio.errors import NotFound, RunfolioError, nearest
from runfolio.record.base.layout import RUN_FILE, expand_home, find_runs
from runfolio.record.base.name_lookup import LAST, find_by_name
from runfolio.record.base.run_document import RunDocument
from runfolio.record.content import run_edits


class HasFolder(Protocol):
    """Object that has a run folder: `Run` or `RecordedRun`."""

    @property
    def folder(self) -> Path: ...


RunReference = str | os.PathLike[str] | HasFolder
"""Reference to a run: the run itself, its id, the start of its id, its name, or its folder."""


@dataclass(frozen=True)
class _StoredRun:
    id: str
    name: str
    run_path: str
    folder: Path
    state: str
    created: datetime


def find_run(store: Path, run: RunReference) -> Path:
    """Return the folder of a run. A full id or name takes precedence over the start of an id, as in `Folio.run`.

    Raises:
        Ambiguous: Several runs match.
        NotFound: No run matches.
    """
    spelling = spelling_of(run)
    for candidate in (expand_home(spelling), store / spelling):
        if (candidate / RUN_FILE).is_file():
            return candidate.absolute()
    runs = sorted(_stored_runs(store, spelling), key=lambda run: run.created, reverse=True)
    match = find_by_name(spelling, runs, (), _describe)
    if match is None and spelling == LAST and runs:
        match = runs[0]
    if match is not None:
        return match.folder.absolute()
    near = nearest(spelling, {run.name for run in runs} | {run.id for run in runs})
    hint = f"did you mean {' or '.join(near)}?" if near else "`runfolio runs` lists the runs"
    raise NotFound(f"no run {spelling!r} in {store}; {hint}")


def _describe(runs: Iterable[_StoredRun]) -> list[str]:
    return [f"{run.state}, {run.created:%Y-%m-%d %H:%M} UTC" for run in runs]


def spelling_of(run: RunReference) -> str:
    """Return a reference to a run as a string. A run object is represented by its folder."""
    return os.fspath(run if isinstance(run, str | os.PathLike) else run.folder)


def _stored_runs(store: Path, spelling: str) -> Iterator[_StoredRun]:
    """Yield the runs of a store, except runs that cannot be read.

    Raises:
        RunfolioError: The run with the id `spelling` cannot be read.
    """
    for folder in find_runs(store):
        try:
            document = RunDocument.read(folder)
        except (OSError, RunfolioError):
            if folder.name.endswith(f"-{spelling}"):
                raise
            continue
        name = run_edits.read(folder, document).values.get("name", document.name)
        yield _StoredRun(document.id, name, os.fspath(folder), folder, document.status.state, document.created)
