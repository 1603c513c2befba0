"""`init`: opening a new run, or an earlier one again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runfolio.errors import ConfigError, NotFound, StoreError
from runfolio.record import checkpoints
from runfolio.record.alive import Heartbeat
from runfolio.record.checkpoints import LAST
from runfolio.record.document import RUNNING, Attempt, RunDocument, Status, now
from runfolio.record.layout import RUN_FILE, default_store, event_files, find_runs, new_id, run_folder
from runfolio.record.summary import SYSTEM
from runfolio.tracking.capture.surroundings import keep_code
from runfolio.tracking.console import Console
from runfolio.tracking.keeper import Pace
from runfolio.tracking.plain import plain_config
from runfolio.tracking.run import Companion, Run, plain_tags
from runfolio.tracking.system import System

if TYPE_CHECKING:
    from runfolio.tracking.mirror import Mirror


def init(
    name: str | None = None,
    *,
    experiment: str = "default",
    config: Any = None,
    tags: Iterable[str] = (),
    notes: str = "",
    store: str | os.PathLike[str] | None = None,
    series: Mapping[str, Any] | None = None,
    resume: str | os.PathLike[str] | None = None,
    checkpoint: str | None = LAST,
    tensorboard: bool = False,
    pace: Pace | None = None,
    code: bool | None = None,
    console: bool = True,
    strict: bool = False,
    durability: Literal["normal", "full"] = "normal",
) -> Run:
    """Open a run and start recording.

    Args:
        name: Readable name; the id is added to it in the folder. Default: the experiment's name.
        experiment: What the run belongs to; the folder its own folder lies in.
        config: Hyperparameters: a dict, argparse.Namespace, dataclass or OmegaConf config.
        store: Folder of all runs. Default: `$RUNFOLIO_STORE`, else `./runs`.
        series: Name and fingerprint of the series the run is part of.
        resume: A run to continue instead of opening a new one: its folder or its id.
        checkpoint: With `resume`: the checkpoint to continue from; points logged after it was saved become an
            abandoned branch. None keeps every point and continues behind the last.
        tensorboard: Write TensorBoard's event file beside the record as well; a run that has one keeps it when resumed.
        pace: How often the record is flushed.
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
        StoreError: The store cannot be written.
        ConfigError: `config` is none of the kinds above, or `durability` neither normal nor full.
        NotFound: There is no run `resume`, or it has no such checkpoint.
    """
    if durability not in ("normal", "full"):
        raise ConfigError(f"durability is {durability!r}; it must be normal or full")
    place = Path(store) if store is not None else default_store()
    contents, pace = keep_code(code), pace or Pace()
    settings = plain_config(config) if config is not None else {}
    try:
        if resume is not None:
            folder, document, last_step = _resumed(place, resume, checkpoint)
            document.config.update(settings)
        else:
            folder, document = _new(place.absolute(), name or experiment, experiment)
            document.config = settings
            document.tags, document.notes = plain_tags(tags), str(notes)
            document.series = plain_config(series) if series is not None else None
            last_step = -1
        mirror = _mirror(folder, document) if tensorboard or event_files(folder) else None
        companions = _companions(pace, console=console)
        sync = durability == "full"
        return Run(folder, document, pace, last_step, companions, mirror, keep_code=contents, strict=strict, sync=sync)
    except OSError as error:
        raise StoreError(
            f"cannot write to the store {place} ({error.strerror or error});"
            " name another with store=..., --store or RUNFOLIO_STORE"
        ) from None


def _mirror(folder: Path, document: RunDocument) -> Mirror:
    from runfolio.tracking.mirror import Mirror  # CRC-32C, which other runs need not load

    return Mirror(folder, document)


def _companions(pace: Pace, *, console: bool) -> list[Companion]:
    """What records beside the training, in the order in which it begins; it ends in the reverse order."""
    companions: list[Companion] = []
    if console and os.environ.get("RUNFOLIO_CONSOLE", "").lower() != "off":
        companions.append(Console())
    if pace.system_s > 0:
        companions.append(System(pace.system_s))
    return companions


def _new(store: Path, name: str, experiment: str) -> tuple[Path, RunDocument]:
    while True:
        run_id = new_id()
        folder = run_folder(store, experiment, name, run_id)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        document = RunDocument(id=run_id, name=name, experiment=experiment, created=now())
        document.attempts = [Attempt(1, None, {}, new_id(), document.created)]
        return folder, document


def _resumed(store: Path, run: str | os.PathLike[str], name: str | None) -> tuple[Path, RunDocument, int]:
    """The folder of `run`, its document with a new attempt opened, and the last step that is kept."""
    folder = _folder_of(store, run)
    document = RunDocument.read(folder)
    _refuse_if_alive(folder, document)
    if name is None:
        parent, kept, last_step = _everything(folder, document)
    else:
        found = checkpoints.read(folder, name)
        parent, kept, last_step = found.attempt, found.position, -1 if found.step is None else found.step
    _note_seconds(folder, document)
    document.attempts.append(Attempt(_last_attempt(document) + 1, parent, kept, new_id(), now()))
    document.status = Status()
    return folder, document, last_step


def _everything(folder: Path, document: RunDocument) -> tuple[int, dict[str, int], int]:
    from runfolio.record.points import PointFiles

    points = PointFiles(folder, document)
    steps = [summary.last_step for name, summary in points.summaries().items() if not name.startswith(SYSTEM)]
    return _last_attempt(document), points.last_seqs(), max(steps, default=-1)


def _note_seconds(folder: Path, document: RunDocument) -> None:
    """How long the last attempt lasted, by its heartbeats where it died without a word; rather too long than too short,
    so that what counts on from there never goes back."""
    if document.attempts and (last := document.attempts[-1]).seconds is None:
        heartbeat = Heartbeat.read(folder, last.writer)
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
        f"no run {os.fspath(run)!r} to resume in {store}; give its folder or id (`runfolio runs` lists them)"
    )


def _refuse_if_alive(folder: Path, document: RunDocument) -> None:
    if document.status.state != RUNNING or not document.attempts:
        return
    heartbeat = Heartbeat.read(folder, document.attempts[-1].writer)
    if heartbeat and heartbeat.end is None and heartbeat.process_is_gone() is False:
        raise StoreError(
            f"run {document.id} is being written by process {heartbeat.pid} on {heartbeat.host};"
            " stop that one first, or start a new run"
        )
