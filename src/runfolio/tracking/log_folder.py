"""Function `open_log_folder`, which opens the run in a given folder. `SummaryWriter`, whose log folder the user
chooses, calls the function."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

from runfolio.errors import ConfigError, StoreError
from runfolio.record.base.layout import RUN_FILE, find_runs, new_id, slug, store_folder
from runfolio.record.base.run_document import Attempt, RunDocument, now
from runfolio.record.liveness import claims
from runfolio.record.liveness.claims import AttemptTaken
from runfolio.tracking.opening import NewRun, Opened, OpenRequest, is_reproduction, open_earlier, open_new, open_run
from runfolio.tracking.pipeline.plain_texts import path_of
from runfolio.tracking.process import distributed, exit_hooks
from runfolio.tracking.run import Run

log = logging.getLogger("runfolio")
_EXPERIMENT = "default"


def open_log_folder(log_folder: str | os.PathLike[str], *, purge_step: int | None = None) -> Run:
    """Open the run in a folder and start recording. The record and an event file are written to this folder.

    - If the folder has no run, a new run is created in it. The run is named after the folder, and its experiment after
      a parent folder. A folder that is inside a run or contains runs is replaced by a folder of a similar name.
    - If this process already records the run of the folder, that run is returned.
    - If another process records the run of the folder, this process joins that run.
    - Otherwise, the run continues after its last point.

    Other open runs stay open. In a process that `runfolio reproduce` started, a new run is opened instead.

    Args:
        log_folder: Path of the folder. It is created if it is missing.
        purge_step: Continue an existing run before this step. Its points at this step or later stay stored, but no
            longer belong to the run's curves.

    Raises:
        ConfigError: `log_folder` is a URL instead of a local path.
        StoreError: The folder cannot be written.
    """
    if "://" in os.fspath(log_folder):
        raise ConfigError(f"log_dir is {log_folder!r}, but a run is recorded in a local folder; pass a local path")
    folder = _free_of_runs(Path(os.path.abspath(path_of(log_folder))))  # noqa: PTH100 - Path.absolute keeps `..`
    if (run := _open_here(folder)) is not None:
        return run

    experiment, name = _names(folder)
    new = NewRun.of(name, experiment, (), "")

    def find(request: OpenRequest) -> Opened:
        request = request._replace(wanted_id=None)
        if is_reproduction():
            return new.describe(open_new(request, new.name, experiment))
        if not (folder / RUN_FILE).is_file():
            return _create_in(folder, experiment, name)
        claimed = claims.newest_attempt(folder)
        document = RunDocument.read(folder)
        if distributed.find_writer(folder, document, claimed) is not None:
            return Opened(folder, document, role="process")
        return open_earlier(request, folder, None, None if purge_step is None else purge_step - 1)

    for _ in range(2):
        # Ranks that start at the same time all try to create the run; those that fail join it.
        with contextlib.suppress(AttemptTaken):
            return open_run(find, store=folder.parent, tensorboard=True, keep_others=True)
    return open_run(find, store=folder.parent, tensorboard=True, keep_others=True)


def _free_of_runs(log_folder: Path) -> Path:
    """Return the folder to record in. A run is never inside another run, because readers do not search for runs there.

    A log folder inside a run is replaced by a folder next to that run. A log folder that contains runs, or that is the
    store (the folder of all runs), is replaced by a new folder in it.
    """
    if (log_folder / RUN_FILE).exists():
        return log_folder
    outer = next((parent for parent in log_folder.parents if (parent / RUN_FILE).exists()), None)
    if outer is not None:
        names = [outer.name, *log_folder.relative_to(outer).parts]
        folder, reason = outer.with_name(slug("-".join(names))), f"is inside the run {outer}"
    elif log_folder == store_folder().absolute() or next(find_runs(log_folder), None) is not None:
        folder, reason = log_folder / slug(log_folder.name), "is a folder of runs"
    else:
        return log_folder
    log.warning("log_dir %s %s, so its run is recorded in %s", log_folder, reason, folder)
    return folder


def _open_here(folder: Path) -> Run | None:
    """Return the run that this process records in a folder, or None if there is none.

    If the script has deleted the folder, the run that was in it ends.
    """
    for entry in exit_hooks.open_runs():
        run = entry.handle
        if isinstance(run, Run) and run.folder == folder and not run.recorder.has_ended:
            if (folder / RUN_FILE).exists():
                return run
            run.recorder.abandon()
    return None


def _create_in(folder: Path, experiment: str, name: str) -> Opened:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot create the log folder {folder} ({error.strerror or error}); pass a different log_dir"
        ) from None
    document = RunDocument(id=new_id(), name=name, experiment=experiment, created=now())
    document.attempts = [Attempt(1, None, {}, new_id(), document.created)]
    return Opened(folder, document)


def _names(folder: Path) -> tuple[str, str]:
    """Return the names of the experiment and of the run in a folder.

    In the store, the first folder names the experiment, and the path below it names the run. Elsewhere, only the last
    two folders are used.
    """
    store = store_folder().absolute()
    parts = folder.relative_to(store).parts if folder.is_relative_to(store) else folder.parts[-2:]
    experiment, *name = parts if len(parts) > 1 else (_EXPERIMENT, folder.name)
    return experiment.strip(os.sep) or _EXPERIMENT, "/".join(name)
