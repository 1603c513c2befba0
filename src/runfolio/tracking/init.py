"""`init`: opening a new run, or an earlier one again."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from runfolio.errors import ConfigError, NotFound, StoreError
from runfolio.record.base.layout import RUN_FILE, default_store, event_files, find_runs, new_id, run_folder
from runfolio.record.base.run_document import Attempt, RunDocument, Status, now
from runfolio.record.base.run_names import claim_name
from runfolio.record.checkpoints import manifests as saved
from runfolio.record.checkpoints.manifests import LAST, Checkpoint
from runfolio.record.checkpoints.retention import CheckpointPolicy
from runfolio.record.content.run_edits import NAME_LENGTH, check_name
from runfolio.record.liveness import claims, heartbeats
from runfolio.record.liveness.heartbeats import PRIMARY, Role
from runfolio.record.points.metric_summary import SYSTEM
from runfolio.tracking.checkpointing.resume_position import bring_back_spools, position_at
from runfolio.tracking.console.capture import Console
from runfolio.tracking.environment.environment_recorder import keep_code
from runfolio.tracking.environment.program import program_name
from runfolio.tracking.fork import fork as new_fork
from runfolio.tracking.monitors.system import System
from runfolio.tracking.pipeline import background_log
from runfolio.tracking.pipeline.plain_values import config_defaults, plain_config, whole_step
from runfolio.tracking.pipeline.writer_config import WriterConfig
from runfolio.tracking.process import distributed, reproduction, subprocesses
from runfolio.tracking.run import Companion, Run, plain_tags

if TYPE_CHECKING:
    from runfolio.events.sink import EventFileSink

log = logging.getLogger("runfolio")
_EXPERIMENT = "default"
_REPRODUCED = "-reproduced"


def init(
    name: str | None = None,
    *,
    experiment: str | None = None,
    config: Any = None,
    tags: Iterable[str] = (),
    notes: str = "",
    store: str | os.PathLike[str] | None = None,
    series: Mapping[str, Any] | None = None,
    resume: str | os.PathLike[str] | None = None,
    fork: str | os.PathLike[str] | None = None,
    checkpoint: str | None = LAST,
    step: int | None = None,
    force: bool = False,
    tensorboard: bool = False,
    pace: WriterConfig | None = None,
    checkpoints: CheckpointPolicy | None = None,
    code: bool | None = None,
    console: bool = True,
    strict: bool = False,
    durability: Literal["normal", "full"] = "normal",
) -> Run:
    """Open a run and start recording; or join the one that `RUNFOLIO_RUN_ID` names and another process opened.

    Args:
        name: Readable name; the id is added to it in the folder. Default: the name of the script (or module, program
            or notebook) and the next number that is free in the store, such as `train-3`; with `RUNFOLIO_RUN_ID`, that
            id; of a fork, the forked run's with `-fork` behind it.
        experiment: What the run belongs to; the folder its own folder lies in. Default: `default`; of a fork, the
            forked run's.
        config: Hyperparameters: a dict, argparse.Namespace, dataclass or OmegaConf config. A run that is resumed or
            forked keeps those that are not given anew.
        store: Folder of all runs. Default: `$RUNFOLIO_STORE`, else `./runs`.
        series: Name and fingerprint of the series the run is part of.
        resume: A run to continue instead of opening a new one: its folder or its id.
        fork: A run to continue another way: its folder or its id. The new run begins with all points up to the
            checkpoint, and `restore` gives the state saved there. The forked run stays as it is; it may be running.
        checkpoint: With `resume`: the checkpoint to continue from (a damaged `last` gives way to the newest whole one
            of the others); points logged after it was saved become an abandoned branch. None keeps every point and
            continues behind the last. With `fork`: what it begins from.
        step: With `resume`: continue behind this step instead of from a checkpoint. With `fork`: begin from the
            checkpoint of exactly this step.
        force: With `resume`: take the run over from a process that still writes it, which then stops recording.
        tensorboard: Write TensorBoard's event file beside the record as well; a run that has one keeps it when resumed.
        pace: How often the record is flushed.
        checkpoints: When `run.checkpoint` saves, and which checkpoints are kept. Default: each call saves; the last,
            the one before and the best are kept.
        code: Whether the code the run is started from is kept: script, modules of your own, uncommitted changes.
            Default: yes, unless `RUNFOLIO_CODE` is off. Commit, branch and command are recorded either way.
        console: Record what the process and its children print (by descriptor: a notebook's cells do not);
            `RUNFOLIO_CONSOLE=off` says no to all runs.
        strict: `log` raises ConfigError at once where something cannot be stored, instead of leaving it out with a
            warning and a count. Values on a GPU are then waited for.
        durability: What a flushed point survives: `normal` the death of the process, whatever kills it (and of the
            machine, once it is sealed, at a checkpoint, or the run's end); `full` that of the machine at any time.
    Returns:
        The run, which is also what `runfolio.log` speaks to until it ends.
    Raises:
        StoreError: The store cannot be written; the run is being written by another process, or has ended.
        ConfigError: `config` is none of the kinds above, a name or tag past its limits (`docs/limits.md`), `step` no
            whole number, or `durability` something else; or `resume` in what `runfolio reproduce` started,
            or together with `fork`.
        NotFound: There is no run `resume` or `fork`, or it has no such checkpoint.
        DamagedFile: The checkpoint to fork from cannot be read.
    """
    if durability not in ("normal", "full"):
        raise ConfigError(f"durability is {durability!r}; it must be normal or full")
    _check_beginning(resume, fork, step, force=force)
    place = Path(store) if store is not None else default_store()
    if (repeated := reproduction.requested_reproduction()) is not None:
        place, name = repeated.store, _reproduced(name or repeated.name, resume)
    contents, pace, wanted = keep_code(code), pace or WriterConfig(), distributed.run_id_from_environment()
    settings = plain_config(config) if config is not None else {}
    checked_tags = plain_tags(tags)
    for text in filter(None, (name, experiment)):
        check_name(text)
    try:
        if resume is not None:
            opened = _resumed(place, resume, checkpoint, step, pace.join_s, force=force, wanted=wanted)
        elif fork is not None:
            make = partial(new_fork, place, _folder_of(place, fork), checkpoint, step, name, experiment, settings)
            opened = _forked(place, make, pace.join_s, wanted)
        else:
            opened = _new(place, name, experiment or _EXPERIMENT, pace.join_s, wanted)
        folder, document, last_step, role, _ = opened
        document.config.update(settings)
        document.defaults.update(config_defaults(config))
        sync = durability == "full"
        if role != PRIMARY:
            return Run(folder, document, pace, last_step, strict=strict, sync=sync, role=role)
        if resume is None:
            document.tags, document.notes = checked_tags, str(notes)
            document.series = plain_config(series) if series is not None else None
            document.lineage = document.lineage if repeated is None else repeated.lineage
        sinks = [_event_file_sink(folder)] if tensorboard or event_files(folder) else []
        companions = _companions(pace, console=console)
        return Run(
            folder,
            document,
            pace,
            last_step,
            companions,
            sinks,
            keep_code=contents,
            strict=strict,
            sync=sync,
            stop_after=reproduction.stop_after(),
            policy=checkpoints,
            resumed=opened.checkpoint,
        )
    except OSError as error:
        raise StoreError(
            f"cannot write to the store {place} ({error.strerror or error});"
            " name another with store=..., --store or RUNFOLIO_STORE"
        ) from None


def _reproduced(name: str, resume: str | os.PathLike[str] | None) -> str:
    """What a reproduction is called: not as the run it repeats, which is still to be found by its name."""
    if resume is not None:
        raise ConfigError(
            f"init(resume={os.fspath(resume)!r}) goes on with a run, while `runfolio reproduce` repeats one from its"
            " start; have the script open a new run where it has no run to resume"
        )
    return f"{name[: NAME_LENGTH - len(_REPRODUCED)]}{_REPRODUCED}"


class _Opened(NamedTuple):
    """What `init` found or made: the run's folder, its document with the attempt to write, the last step kept."""

    folder: Path
    document: RunDocument
    last_step: int = -1
    role: Role = PRIMARY
    checkpoint: Checkpoint | None = None
    """The one to go on from."""


def _event_file_sink(folder: Path) -> EventFileSink:
    from runfolio.events.sink import EventFileSink  # CRC-32C, which other runs need not load

    return EventFileSink(folder, subprocesses.start_module, background_log.log.warning)


def _companions(pace: WriterConfig, *, console: bool) -> list[Companion]:
    """What records beside the training, in the order in which it begins; it ends in the reverse order."""
    companions: list[Companion] = []
    if console and os.environ.get("RUNFOLIO_CONSOLE", "").lower() != "off":
        companions.append(Console())
    if pace.system_s > 0:
        companions.append(System(pace.system_s))
    return companions


def _check_beginning(resume: object, fork: object, step: int | None, *, force: bool) -> None:
    if resume is not None and fork is not None:
        raise ConfigError("resume= goes on with a run, fork= begins a new one from it; give one of them")
    if resume is None and force:
        raise ConfigError("force= says how a run is resumed; name it with resume=")
    if resume is None and fork is None and step is not None:
        raise ConfigError("step= says where a run is resumed or forked; name it with resume= or fork=")


def _new(store: Path, name: str | None, experiment: str, wait_s: float, wanted: str | None) -> _Opened:
    if wanted is not None:  # its folder must have the same name in every process, so that only one can create it
        return _shared(store, wanted, name or wanted, experiment, wait_s)
    name = name or claim_name(store, program_name())
    while True:
        with contextlib.suppress(FileExistsError):
            return _begun(store, name, experiment, new_id())


def _begun(store: Path, name: str, experiment: str, run_id: str) -> _Opened:
    """A folder of its own for a new run.

    Raises:
        FileExistsError: Another process has made it.
    """
    folder = run_folder(store.absolute(), experiment, name, run_id)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir()
    document = RunDocument(id=run_id, name=name, experiment=experiment, created=now())
    document.attempts = [Attempt(1, None, {}, new_id(), document.created)]
    return _Opened(folder, document)


def _shared(store: Path, run_id: str, name: str, experiment: str, wait_s: float) -> _Opened:
    """The run `RUNFOLIO_RUN_ID` names: joined where it is there, opened by rank 0 (or whoever has no rank) where not.

    The others wait for rank 0, but not for ever: it may never come.
    """
    rank = distributed.rank()
    deadline = time.monotonic() + wait_s
    waiting = bool(rank)
    while True:
        if found := distributed.find_run(store, run_id):
            return _joined(*found, rank)
        if not waiting:
            try:
                return _begun(store, name, experiment, run_id)
            except FileExistsError as error:
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"{error.filename} was begun by another process, which left no {RUN_FILE} in it;"
                        f" remove the folder, or give {distributed.RUN_ID} another id"
                    ) from None
        waiting = distributed.wait_for_retry(deadline) and waiting


def _joined(folder: Path, document: RunDocument, rank: int | None) -> _Opened:
    if not distributed.can_join(folder, document, rank):
        raise StoreError(
            f"run {document.id} ({distributed.RUN_ID}) in {folder} has ended; give {distributed.RUN_ID}"
            f" another id for a new run, or go on with this one by init(resume={document.id!r})"
        )
    return _Opened(folder, document, role="process" if rank is None else "rank")


def _forked(store: Path, make: Callable[[str], Path], wait_s: float, wanted: str | None) -> _Opened:
    """A fork with its first own attempt opened; joined instead where `RUNFOLIO_RUN_ID` names one that is there.

    Args:
        make: Makes the folder of a fork with a given id.
    """
    rank = distributed.rank()
    deadline = time.monotonic() + wait_s
    while wanted is not None:
        if found := distributed.find_run(store, wanted):
            if rank:  # rank 0 may have made it and be about to open it
                return _resumed(store, found[0], LAST, None, wait_s, force=False, wanted=wanted)
            return _joined(*found, rank)
        if not rank or not distributed.wait_for_retry(deadline):
            break
    return _resumed(store, make(wanted or new_id()), LAST, None, wait_s, force=False, wanted=None)


def _resumed(
    store: Path,
    run: str | os.PathLike[str],
    name: str | None,
    step: int | None,
    wait_s: float,
    *,
    force: bool,
    wanted: str | None,
) -> _Opened:
    """The run with a new attempt opened; joined instead where `RUNFOLIO_RUN_ID` names it and another rank opened it."""
    folder = _folder_of(store, run)
    # Before the document, and not again: of processes that come this far at once, all claim the same attempt.
    claimed = claims.newest_attempt(folder)
    document = RunDocument.read(folder)
    if wanted == document.id and (found := _joined_resumed(folder, document, wait_s)):
        return found
    if not force:
        distributed.refuse_if_written(folder, document, claimed)
    bring_back_spools(folder)
    found = _checkpoint(folder, document, name) if name is not None and step is None else None
    parent, kept, last_step = _cut(folder, document, found, step)
    _note_seconds(folder, document)
    attempt = max(_last_attempt(document), claimed) + 1
    document.attempts.append(Attempt(attempt, parent, kept, new_id(), now()))
    document.status = Status()
    return _Opened(folder, document, last_step, checkpoint=found)


def _tell(document: RunDocument) -> Callable[[str], None]:
    return lambda told: log.warning("run %s: %s", document.id, told)


def _checkpoint(folder: Path, document: RunDocument, name: str) -> Checkpoint:
    try:
        return saved.read_intact(folder, name, _tell(document))
    except NotFound as error:
        raise NotFound(
            f"{error}; checkpoint=None goes on behind the run's last point, step=-1 from its beginning"
        ) from None


def _joined_resumed(folder: Path, document: RunDocument, wait_s: float) -> _Opened | None:
    """Join a resumed run; None where this process is to open the attempt itself."""
    rank = distributed.rank()
    deadline = time.monotonic() + wait_s
    while not distributed.can_join(folder, document, rank, resumes=True):
        if not rank or not distributed.wait_for_retry(deadline):
            return None
        document = RunDocument.read(folder)
    return _Opened(folder, document, role="process" if rank is None else "rank")


def _cut(
    folder: Path, document: RunDocument, found: Checkpoint | None, step: int | None
) -> tuple[int, dict[str, int], int]:
    """The attempt to go on from, what is kept of each writer, and the last step that is."""
    if step is not None:
        from runfolio.record.checkpoints import resume_points  # Arrow, which few resumes need

        return _last_attempt(document), *resume_points.last_seqs_at_step(folder, document, whole_step(step))
    if found is None:
        return _everything(folder, document)
    return found.attempt, position_at(folder, document, found), -1 if found.step is None else found.step


def _everything(folder: Path, document: RunDocument) -> tuple[int, dict[str, int], int]:
    from runfolio.record.checkpoints import resume_points
    from runfolio.record.points.reader import PointFiles

    summaries = PointFiles(folder, document).summaries()
    steps = [summary.last_step for name, summary in summaries.items() if not name.startswith(SYSTEM)]
    return _last_attempt(document), resume_points.last_seqs(folder, document), max(steps, default=-1)


def _note_seconds(folder: Path, document: RunDocument) -> None:
    """How long the last attempt lasted, by its heartbeats where it died without a word; rather too long than too short,
    so that what counts on from there never goes back."""
    if document.attempts and (last := document.attempts[-1]).seconds is None:
        heartbeat = heartbeats.Heartbeat.read(folder, last.writer)
        last.seconds = (heartbeat.beat + 1) * heartbeat.every_s if heartbeat else None


def _last_attempt(document: RunDocument) -> int:
    return max((entry.attempt for entry in document.attempts), default=0)


def _folder_of(store: Path, run: str | os.PathLike[str]) -> Path:
    for candidate in (Path(run), store / run):
        if (candidate / RUN_FILE).is_file():
            return candidate.absolute()
    fitting = [folder for folder in find_runs(store) if folder.name.endswith(f"-{os.fspath(run)}")]
    if len(fitting) == 1:
        return fitting[0].absolute()
    if fitting:
        raise ConfigError(f"several runs have the id {run}: {', '.join(map(str, fitting))}; give the folder")
    raise NotFound(
        f"no run {os.fspath(run)!r} to go on from in {store}; give its folder or id (`runfolio runs` lists them)"
    )
