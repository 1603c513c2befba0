"""Functions that open a run in this process, shared by `init`, `resume` and `fork`."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self, TypedDict, cast

from runfolio.errors import ConfigError, NotFound, RunfolioError, StoreError
from runfolio.record.base.layout import (
    RUN_FILE,
    event_files,
    make_experiment_folder,
    make_store,
    new_id,
    run_folder,
    store_folder,
)
from runfolio.record.base.run_document import Attempt, RunDocument, Status, now
from runfolio.record.base.run_names import claim_name
from runfolio.record.base.run_parts import Lineage, SeriesEntry
from runfolio.record.checkpoints import manifests
from runfolio.record.checkpoints.manifests import LAST, Checkpoint
from runfolio.record.checkpoints.retention import CheckpointPolicy
from runfolio.record.content import run_edits
from runfolio.record.liveness import claims, heartbeats
from runfolio.record.liveness.heartbeats import PRIMARY, Role
from runfolio.record.points.metric_summary import is_system_metric
from runfolio.record.sink import Sink
from runfolio.tracking.checkpointing.resume_position import bring_back_spools, position_at
from runfolio.tracking.console.capture import Console
from runfolio.tracking.environment import hydra_job
from runfolio.tracking.environment.environment_recorder import keep_code
from runfolio.tracking.environment.program import program_name
from runfolio.tracking.monitors.load_sampler import LoadSampler
from runfolio.tracking.monitors.monitor import Monitor
from runfolio.tracking.pipeline import background_log
from runfolio.tracking.pipeline.config_values import config_defaults, plain_config
from runfolio.tracking.pipeline.live_tags import plain_tags
from runfolio.tracking.pipeline.plain_values import whole_step
from runfolio.tracking.process import announcements, distributed, exit_hooks, reproduction, run_context, subprocesses
from runfolio.tracking.process.outcome import RunOutcome
from runfolio.tracking.process.reproduction import Reproduction
from runfolio.tracking.recorder import Recorder
from runfolio.tracking.recording_config import RecordingConfig
from runfolio.tracking.run import Run
from runfolio.tracking.run_lookup import RunReference, find_run

log = logging.getLogger("runfolio")
_REPRODUCED = "-reproduced"
_is_end_logged = False


class RunOptions(TypedDict, total=False):
    """Keyword arguments that `init`, `resume` and `fork` have in common. They are documented in `init`."""

    config: Any
    store: str | os.PathLike[str] | None
    tensorboard: bool
    checkpoints: CheckpointPolicy | None
    strict: bool
    recording: RecordingConfig | None
    keep_others: bool


class Opened(NamedTuple):
    """Folder and document of an opened run, and the attempt that this process writes to.

    The document is the content of the run's `run.json`. An attempt is one execution of the training script. A resumed
    run has several attempts."""

    folder: Path
    document: RunDocument
    last_step: int = -1
    """Last step of the points that the run still contains from earlier attempts."""
    role: Role = PRIMARY
    checkpoint: Checkpoint | None = None
    """Checkpoint from which the run continues."""
    restarts: bool = False
    """True if the run continues without a checkpoint. The script may then start from the beginning."""


class OpenRequest(NamedTuple):
    """Request to open a run, built from the arguments of the call and the environment variables."""

    store: Path
    config: Mapping[str, Any]
    """Settings passed in this call, as JSON values."""
    wanted_id: str | None
    """Run id in the environment variable `RUNFOLIO_RUN_ID`, or None if the variable is not set."""
    wait_s: float
    """Maximum wait for rank 0, in seconds."""
    named: Path | None = None
    """Folder of the earlier run to which the call refers."""


@dataclass(frozen=True)
class NewRun:
    """Description of a new run or a fork, which is validated before anything is opened."""

    name: str | None
    experiment: str | None
    tags: list[str]
    notes: str
    series: SeriesEntry | None
    repeated: Reproduction | None
    """Run that this process repeats, if `runfolio reproduce` started this process."""

    @classmethod
    def of(
        cls,
        name: str | None,
        experiment: str | None,
        tags: Iterable[str],
        notes: str,
        series: Mapping[str, Any] | None = None,
    ) -> Self:
        """Validate the description of a new run.

        Raises:
            ConfigError: A name or tag cannot be recorded.
        """
        repeated = reproduction.requested_reproduction()
        # The new run gets a different name, so that the old name still identifies the repeated run.
        if repeated is not None:
            name = f"{(name or repeated.name)[: run_edits.NAME_LENGTH - len(_REPRODUCED)]}{_REPRODUCED}"
        for text in filter(None, (name, experiment)):
            run_edits.check_name(text)
        plain_series = cast("SeriesEntry", plain_config(series)) if series is not None else None
        return cls(name, experiment, plain_tags(tags), str(notes), plain_series, repeated)

    def describe(self, opened: Opened) -> Opened:
        """Write the description into the document of a run that this process has opened."""
        if opened.role == PRIMARY:
            document = opened.document
            document.tags, document.notes, document.series = self.tags, self.notes, self.series
            if self.repeated is not None:
                document.lineage = cast("Lineage", self.repeated.lineage)
        return opened


def open_run(
    find: Callable[[OpenRequest], Opened],
    *,
    reference: RunReference | None = None,
    config: Any = None,
    store: str | os.PathLike[str] | None = None,
    tensorboard: bool = False,
    checkpoints: CheckpointPolicy | None = None,
    strict: bool = False,
    recording: RecordingConfig | None = None,
    keep_others: bool = False,
) -> Run:
    """Open the run that `find` returns, start recording, and make the run current in this thread or task.

    Args:
        reference: Reference to an earlier run. The run is looked up before other runs are ended.
    Raises:
        StoreError: The store cannot be written.
        NotFound, Ambiguous: `reference` does not match exactly one run.
        ConfigError: `config` or an environment variable is invalid.
    """
    repeated = reproduction.requested_reproduction()
    recording = recording or RecordingConfig()
    keep_code(recording.code)  # this raises an error for an invalid RUNFOLIO_CODE before anything is opened
    folder = repeated.store if repeated is not None else store_folder(store)
    settings = plain_config(config) if config is not None else {}
    wanted_id = distributed.run_id_from_environment()
    try:
        named = None if reference is None else find_run(folder, reference)
        _end_closed_writers()
        if not keep_others:
            _end_unattended_runs(wanted_id)
        opened = find(OpenRequest(folder, settings, wanted_id, recording.join_s, named))
        opened.document.config.update(settings)
        opened.document.defaults.update(config_defaults(config))
        is_primary = opened.role == PRIMARY
        monitors = _monitors(recording) if is_primary else []
        recorder = Recorder(
            opened.folder,
            opened.document,
            recording,
            opened.last_step,
            _sinks(opened.folder, tensorboard=tensorboard) if is_primary else [],
            strict=strict,
            role=opened.role,
            stop_after=reproduction.stop_after() if is_primary else None,
            policy=checkpoints,
            resumed=opened.checkpoint,
            restarts=opened.restarts,
        )
        run = Run(recorder)
        if is_primary and recording.announce:
            announcements.print_start(opened.folder, opened.document, opened.last_step)
        recorder.start(monitors)
        run_context.enter(recorder)
        hydra_job.end_with_job(recorder)
        if (shell := run_context.ipython_shell()) is not None:
            from runfolio.tracking.process.notebook import watch_cells  # imports asyncio, which scripts do not need

            watch_cells(shell)
    except RunfolioError:
        raise
    except OSError as error:
        raise StoreError(
            f"cannot write to the store {folder} ({error.strerror or error});"
            " choose a different store with store=..., --store or RUNFOLIO_STORE"
        ) from None
    return run


def _end_closed_writers() -> None:
    """End the runs whose SummaryWriter was closed. The time of a run's last call is recorded as its end."""
    for entry in exit_hooks.open_runs():
        run = entry.handle
        if isinstance(run, Run) and run.recorder.is_writer_closed:
            run.recorder.end(RunOutcome(), at_last_call=True)


def _end_unattended_runs(joined_id: str | None) -> None:
    """End the open runs of this thread or task that are not in a `with` block. Only the first run that is ended in this
    way is logged.

    Args:
        joined_id: Id of the run that this process joins. That run stays open.
    """
    global _is_end_logged
    for other in run_context.unattended_runs():
        if other.id == joined_id:
            continue
        other.end(RunOutcome(), at_last_call=True)
        if not _is_end_logged:
            _is_end_logged = True
            log.warning(
                "%r ends here, because another run is opened; keep_others=True keeps both open (logged once)",
                other.handle,
            )


def open_new(request: OpenRequest, name: str | None, experiment: str, *, continues_finished: bool = False) -> Opened:
    """Open a new run, or join or continue the run with the id in `RUNFOLIO_RUN_ID`.

    Args:
        continues_finished: Continue the run even if it has finished.
    """
    make_store(request.store)
    # The folder has the same name in every process, so only one process can create it.
    if request.wanted_id is not None:
        return _open_shared(request, request.wanted_id, name or request.wanted_id, experiment, continues_finished)
    name = name or claim_name(request.store, program_name())
    while True:
        with contextlib.suppress(FileExistsError):
            return _create(request.store, name, experiment, new_id())


def open_fork(request: OpenRequest, make: Callable[[str], Path]) -> Opened:
    """Open the first attempt (execution of the script) of a fork, or join the fork with the id in `RUNFOLIO_RUN_ID`.

    Args:
        make: Function that creates the folder of a fork with a given id.
    """
    rank = distributed.rank()
    deadline = time.monotonic() + request.wait_s
    while request.wanted_id is not None:
        if match := distributed.find_run(request.store, request.wanted_id):
            if rank:  # rank 0 may have created the fork but not opened it yet
                return open_earlier(request, match[0])
            if not distributed.can_join(*match, rank):
                raise StoreError(
                    f"run {request.wanted_id} ({distributed.RUN_ID}) already exists in {match[0]};"
                    f" set {distributed.RUN_ID} to another id for the fork"
                )
            return _joined(*match, rank)
        if not rank or not distributed.wait_for_retry(deadline):
            break
    return open_earlier(request._replace(wanted_id=None), make(request.wanted_id or new_id()))


def open_earlier(
    request: OpenRequest,
    folder: Path,
    checkpoint: str | None = LAST,
    step: int | None = None,
    *,
    force: bool = False,
    purpose: str | None = None,
) -> Opened:
    """Open a new attempt (one more execution of the script) of a run. If `RUNFOLIO_RUN_ID` is the run's id and another
    rank has already opened the new attempt, join that attempt.

    Args:
        checkpoint: Name of the checkpoint to continue from. If None, the run continues after its last point.
        step: Continue after this step instead of from a checkpoint.
        force: Take over the run from a process that still writes to it.
        purpose: Purpose of the attempt (see `Attempt.purpose`).
    """
    # A process claims an attempt by creating a file with the attempt's number, which only one process can do. The
    # newest claim is read once, before the document. Processes that start at the same time then claim the same attempt,
    # and only one of them succeeds.
    claimed = claims.newest_attempt(folder)
    document = RunDocument.read(folder)
    if request.wanted_id == document.id and (opened := _join_resumed(folder, document, request.wait_s)):
        return opened
    if not force:
        distributed.refuse_if_written(folder, document, claimed)
    bring_back_spools(folder)
    source = _checkpoint(folder, document, checkpoint) if checkpoint is not None and step is None else None
    parent, position, last_step = _branch_end(folder, document, source, step)
    _record_duration(folder, document)
    attempt = max(_last_attempt(document), claimed) + 1
    document.attempts.append(Attempt(attempt, parent, position, new_id(), now(), purpose=purpose))
    document.status = Status()
    return Opened(folder, document, last_step, checkpoint=source)


def is_reproduction() -> bool:
    """Return whether `runfolio reproduce` started this process."""
    return reproduction.requested_reproduction() is not None


def refuse_in_reproduction(call: str) -> None:
    """Raise an error if this process was started to repeat a run.

    Args:
        call: Call in the user's script that would continue a run, such as `runfolio.resume('3f2a')`.
    Raises:
        ConfigError: The process was started to repeat a run.
    """
    if is_reproduction():
        raise ConfigError(
            f"{call} continues a run, but `runfolio reproduce` repeats a run from its start; make the script open"
            " a new run in this case"
        )


def _sinks(folder: Path, *, tensorboard: bool) -> list[Sink]:
    if not tensorboard and not event_files(folder):
        return []
    from runfolio.events.sink import EventFileSink  # imports CRC-32C, which other runs do not need

    return [EventFileSink(folder, subprocesses.start_module, background_log.log.warning)]


def _monitors(recording: RecordingConfig) -> list[Monitor]:
    """Return the monitors in the order in which they start. They stop in reverse order."""
    monitors: list[Monitor] = []
    if recording.console and os.environ.get("RUNFOLIO_CONSOLE", "").lower() != "off":
        monitors.append(Console())
    if recording.system_s > 0:
        monitors.append(LoadSampler(recording.system_s))
    return monitors


def _create(store: Path, name: str, experiment: str, run_id: str) -> Opened:
    """Create the folder of a new run.

    Raises:
        FileExistsError: Another process has created the folder.
    """
    folder = run_folder(store.absolute(), experiment, name, run_id)
    make_experiment_folder(store.absolute(), experiment)
    folder.mkdir()
    document = RunDocument(id=run_id, name=name, experiment=experiment, created=now())
    document.attempts = [Attempt(1, None, {}, new_id(), document.created)]
    return Opened(folder, document)


def _open_shared(request: OpenRequest, run_id: str, name: str, experiment: str, continues_finished: bool) -> Opened:
    """Join or continue the run with the id in `RUNFOLIO_RUN_ID`. Rank 0, or a process without a rank, may also create
    the run.

    Other ranks wait for rank 0 for a limited time, because rank 0 may never start.
    """
    rank = distributed.rank()
    deadline = time.monotonic() + request.wait_s
    is_waiting = bool(rank)
    while True:
        if match := distributed.find_run(request.store, run_id):
            if distributed.can_join(*match, rank):
                return _joined(*match, rank)
            return _continue(request, *match, continues_finished)
        if not is_waiting:
            try:
                return _create(request.store, name, experiment, run_id)
            except FileExistsError as error:
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"{error.filename} was created by another process without a {RUN_FILE};"
                        f" remove the folder, or set {distributed.RUN_ID} to another id"
                    ) from None
        is_waiting = distributed.wait_for_retry(deadline) and is_waiting


def _joined(folder: Path, document: RunDocument, rank: int | None) -> Opened:
    is_restarted = document.attempts[-1].parent is not None and not manifests.names(folder)
    return Opened(folder, document, role="process" if rank is None else "rank", restarts=is_restarted)


def _continue(request: OpenRequest, folder: Path, document: RunDocument, continues_finished: bool) -> Opened:
    """Continue a run that no process writes to. The run continues from its last checkpoint, or after its last point if
    it has no checkpoint.

    Rank 0 opens the attempt, and the other ranks join.
    """
    if document.status.state == "finished" and not continues_finished:
        raise StoreError(
            f"run {document.id} ({distributed.RUN_ID}) in {folder} has finished; set {distributed.RUN_ID}"
            f' to another id for a new run, or continue this run with init(resume="auto")'
        )
    # If the checkpoints were deleted with `runfolio prune`, this call raises an error that explains how to restore
    # them.
    has_checkpoint = bool(manifests.names(folder) or manifests.pruned_names(folder))
    opened = open_earlier(request, folder, LAST if has_checkpoint else None)
    return opened._replace(restarts=not has_checkpoint)


def _join_resumed(folder: Path, document: RunDocument, wait_s: float) -> Opened | None:
    """Join a resumed run, or return None if this process must open the new attempt."""
    rank = distributed.rank()
    deadline = time.monotonic() + wait_s
    while not distributed.can_join(folder, document, rank, resumes=True):
        if not rank or not distributed.wait_for_retry(deadline):
            return None
        document = RunDocument.read(folder)
    return _joined(folder, document, rank)


def _checkpoint(folder: Path, document: RunDocument, name: str) -> Checkpoint:
    try:
        return manifests.read_intact(folder, name, lambda text: log.warning("run %s: %s", document.id, text))
    except NotFound as error:
        raise NotFound(
            f"{error}; runfolio.resume(run, checkpoint=None) continues after the run's last point, and step=-1"
            " continues from its beginning"
        ) from None


def _branch_end(
    folder: Path, document: RunDocument, checkpoint: Checkpoint | None, step: int | None
) -> tuple[int, dict[str, int], int]:
    """Return the attempt to continue, the last sequence number to keep for each writer, and the last step to keep.

    Each process that writes to the run (a writer) numbers its log calls with sequence numbers."""
    if step is not None:
        from runfolio.record.checkpoints import resume_points  # imports Arrow, which few resumes need

        return _last_attempt(document), *resume_points.last_seqs_at_step(folder, document, whole_step(step))
    if checkpoint is None:
        return _end_of_run(folder, document)
    last_step = -1 if checkpoint.step is None else checkpoint.step
    return checkpoint.attempt, position_at(folder, document, checkpoint), last_step


def _end_of_run(folder: Path, document: RunDocument) -> tuple[int, dict[str, int], int]:
    from runfolio.record.checkpoints import resume_points
    from runfolio.record.points.reader import PointFiles

    summaries = PointFiles(folder, document).summaries()
    steps = [summary.last_step for name, summary in summaries.items() if not is_system_metric(name)]
    return _last_attempt(document), resume_points.last_seqs(folder, document), max(steps, default=-1)


def _record_duration(folder: Path, document: RunDocument) -> None:
    """Record the duration of the last attempt. If its process was killed, the duration is calculated from the number of
    heartbeats, which a process writes at a fixed interval.

    The recorded duration may be slightly too long, but it is never too short. The steps of system metrics, which count
    seconds, therefore never decrease.
    """
    if document.attempts and (last := document.attempts[-1]).seconds is None:
        heartbeat = heartbeats.Heartbeat.read(folder, last.writer)
        last.seconds = (heartbeat.beat + 1) * heartbeat.every_s if heartbeat else None


def _last_attempt(document: RunDocument) -> int:
    return max((entry.attempt for entry in document.attempts), default=0)
