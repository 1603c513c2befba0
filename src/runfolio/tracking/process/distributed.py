"""Runs that several processes share. The functions determine which run this process joins, and whether another process
writes to a run."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runfolio.errors import ConfigError, RunfolioError, StoreError
from runfolio.record.base.layout import RUN_ID_VARIABLE, leads_into
from runfolio.record.base.run_document import RUNNING, RunDocument
from runfolio.record.liveness import claims
from runfolio.record.liveness.heartbeats import SILENT_S, Heartbeat, process_started

log = logging.getLogger("runfolio")
RUN_ID = RUN_ID_VARIABLE
_SAME_LAUNCH = timedelta(seconds=30)
"""Maximum time between the starts of the first and the last rank of a job."""
_RETRY_S = 0.05


def run_id_from_environment() -> str | None:
    """Return the id of the run that this process belongs to, as set in `RUNFOLIO_RUN_ID`. Return None if it is not set.

    Raises:
        ConfigError: The variable does not contain a valid id.
    """
    run_id = os.environ.get(RUN_ID) or None
    if run_id is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", run_id):
        raise ConfigError(f"{RUN_ID} is {run_id!r}; an id must consist of 1 to 64 letters, digits, _ and -")
    return run_id


def rank() -> int | None:
    """Return the rank of this process, as set by torchrun, Slurm or Open MPI. Return None if it has no rank."""
    for name in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK"):
        if (value := os.environ.get(name, "")).isdecimal():
            return int(value)
    return None


def data_loader_worker() -> int | None:
    """Return this process's number among a DataLoader's workers, or None if it is not a worker."""
    data = sys.modules.get("torch.utils.data")
    info = data.get_worker_info() if data is not None else None
    return None if info is None else info.id


def find_run(store: Path, run_id: str) -> tuple[Path, RunDocument] | None:
    """Return the folder and document of the run with the id `run_id`, or None if the store does not contain the run.

    Raises:
        ConfigError: Several runs have the id.
    """
    runs: list[tuple[Path, RunDocument]] = []
    for folder in store.glob(f"*/*-{run_id}"):
        if not leads_into(folder, os.path.realpath(store)):
            continue
        try:
            document = RunDocument.read(folder)
        except (OSError, RunfolioError):  # the document is not written yet, or the folder is not a run
            continue
        if document.id == run_id and document.attempts:
            runs.append((folder.absolute(), document))
    if len(runs) > 1:
        folders = ", ".join(str(folder) for folder, _ in runs)
        raise ConfigError(f"several runs have the id {run_id}: {folders}; change {RUN_ID}, or move the copy away")
    return runs[0] if runs else None


def can_join(folder: Path, document: RunDocument, rank: int | None, *, resumes: bool = False) -> bool:
    """Return whether this process can join the newest attempt of a run. An attempt is one execution of the training
    script. The newest attempt must be in progress, or belong to the same job as this rank.

    A rank that starts late may therefore join an attempt that the other ranks of its job have already ended. If
    `resumes` is True, the attempt must also continue an earlier attempt.
    """
    newest = document.attempts[-1]
    if document.status.state == RUNNING:
        return _is_alive(folder, document)
    if resumes and newest.parent is None:
        return False
    return bool(rank) and newest.started > _job_started()


def refuse_if_written(folder: Path, document: RunDocument, claimed: int, patience_s: float = SILENT_S) -> None:
    """Check that no other process writes to the run (see `find_writer`).

    Raises:
        StoreError: Another process writes to the run.
    """
    if (heartbeat := find_writer(folder, document, claimed, patience_s)) is not None:
        raise StoreError(
            f"run {document.id} is being written by process {heartbeat.pid} on {heartbeat.host}"
            f" (last heartbeat {heartbeat.age_s(folder):.0f} s ago)."
            " Stop that process first, start a new run, or take over this run with runfolio.resume(run, force=True)"
        )


def find_writer(folder: Path, document: RunDocument, claimed: int, patience_s: float = SILENT_S) -> Heartbeat | None:
    """Return the heartbeat of the process that writes to the run, or None if no process does.

    A heartbeat is a file that a process updates while it writes to a run. If the process is on a different machine, its
    heartbeat is watched for up to `patience_s` seconds.

    Args:
        claimed: Number of the newest attempt that any process has started. It must be read before `document`.
    """
    heartbeat = _newest_heartbeat(folder, document, claimed)
    if heartbeat is None or heartbeat.end is not None:
        return None
    is_gone = heartbeat.process_is_gone()
    if is_gone is None:
        is_gone = not _still_beats(folder, document, heartbeat, patience_s)
    return None if is_gone else heartbeat


def _newest_heartbeat(folder: Path, document: RunDocument, claimed: int) -> Heartbeat | None:
    """Return the heartbeat (the regularly updated file) of the process that opened the newest attempt. The attempt may
    not be listed in run.json yet."""
    last = document.attempts[-1] if document.attempts else None
    if claimed > (last.attempt if last is not None else 0) and (claim := claims.read(folder, claimed)) is not None:
        return Heartbeat.read(folder, claim.writer)
    return Heartbeat.read(folder, last.writer) if last is not None and document.status.state == RUNNING else None


def _is_alive(folder: Path, document: RunDocument) -> bool:
    """Return whether a process still writes to the newest attempt (execution of the script).

    If the process is on a different machine, only its heartbeat is visible. A recent heartbeat is enough if the attempt
    belongs to this job. Otherwise, the heartbeat is watched for changes.
    """
    newest = document.attempts[-1]
    heartbeat = Heartbeat.read(folder, newest.writer)
    if heartbeat is None or heartbeat.end is not None:
        return False
    is_gone = heartbeat.process_is_gone()
    if is_gone is not None:
        return not is_gone
    if heartbeat.age_s(folder) >= SILENT_S:
        return False
    return newest.started > _job_started() or _still_beats(folder, document, heartbeat, SILENT_S)


def _still_beats(folder: Path, document: RunDocument, first: Heartbeat, patience_s: float) -> bool:
    log.warning(
        "run %s was last written by process %d on %s, which is not visible from this machine. Now watching its"
        " heartbeat for up to %.0f s (force=True takes over the run at once)",
        document.id,
        first.pid,
        first.host,
        patience_s,
    )
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        time.sleep(min(0.5, patience_s / 10))
        heartbeat = Heartbeat.read(folder, first.writer)
        if heartbeat is None or heartbeat.end is not None:
            return False
        if heartbeat.beat != first.beat:
            return True
    return False


def wait_for_retry(deadline: float) -> bool:
    """Wait briefly and return True. If the monotonic clock has passed `deadline`, return False at once."""
    if time.monotonic() >= deadline:
        return False
    time.sleep(_RETRY_S)
    return True


def _job_started() -> datetime:
    """Return the start time of this process's job.

    The result is the start time of the launcher, but at most 30 s before the start of this process.
    """
    own, launcher = (_started(pid) for pid in (os.getpid(), os.getppid()))
    return max(own - _SAME_LAUNCH, launcher)


def _started(pid: int) -> datetime:
    """Return the start time of a process, or 1970 if it is unknown."""
    import psutil

    seconds = process_started(pid)
    return datetime.fromtimestamp(0 if seconds is None else seconds + psutil.boot_time(), UTC)
