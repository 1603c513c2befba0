"""Creation of a fork: a new run that starts from a checkpoint of another run, its parent (`docs/format.md`, Lineage). A
fork contains a copy of the parent's points up to the checkpoint.

A fork is created in a hidden folder, which is renamed when the fork is complete. The result is a run that ended at the
checkpoint and can be resumed like any other run. The parent may still be running, and it may be deleted later. Its
files are only read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runfolio.errors import ConfigError, DamagedFile, NotFound, StoreError
from runfolio.record.base import files
from runfolio.record.base.layout import (
    ALIVE,
    CHECKPOINTS,
    DATA,
    MEDIA,
    MEDIA_FILES,
    METRICS,
    make_experiment_folder,
    new_id,
    run_folder,
    segment_path,
)
from runfolio.record.base.record_path import HIDDEN, RecordPath, UnusableFile
from runfolio.record.base.run_document import FORK, Attempt, RunDocument, Status, now
from runfolio.record.checkpoints import manifests
from runfolio.record.checkpoints.manifests import BEST, LAST, Checkpoint
from runfolio.record.content import media, run_edits
from runfolio.record.content.data_listings import is_fingerprint, listing_path
from runfolio.record.liveness import heartbeats
from runfolio.record.points.tails import header
from runfolio.tracking.checkpointing.resume_position import bring_back_spools, position_at
from runfolio.tracking.pipeline.background_log import log
from runfolio.tracking.pipeline.plain_values import whole_step

_SUFFIX = "-fork"
_PATIENCE_S = 20.0
"""Maximum time for retries if a running parent keeps replacing the checkpoint that must be copied."""
_ABANDONED_S = 3600.0
"""Age in seconds above which an incomplete fork is removed, because its process was certainly killed."""


class Replaced(StoreError):  # noqa: N818 - named after the event, like all of runfolio's errors
    """The checkpoint was replaced while it was being copied."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(
            f"checkpoint {checkpoint.name!r} of {checkpoint.folder} is replaced faster than it can be copied;"
            " fork from a different checkpoint, such as checkpoint='best', or later"
        )


def make_fork_folder(
    store: Path,
    parent_path: Path,
    checkpoint: str | None,
    step: int | None,
    name: str | None,
    experiment: str | None,
    config: Mapping[str, Any],
    run_id: str,
) -> Path:
    """Create the folder of a fork with the parent's points up to a checkpoint, and return the folder.

    Args:
        parent_path: Folder of the run to fork.
        checkpoint: Name of the checkpoint to start from.
        step: Start from the checkpoint that was saved at exactly this step, instead of from a named checkpoint.
        name: Name of the fork. Default: the parent's name with `-fork` appended.
        config: Settings that override the parent's settings.
        run_id: Id of the new run.
    Raises:
        ConfigError: Neither checkpoint nor step is given, or the step is not an integer.
        NotFound: The checkpoint does not exist. The message lists the existing checkpoints.
        DamagedFile: The checkpoint cannot be read. No other checkpoint is used instead, because the fork would then
            start from a different state.
        FileExistsError: A run with this id already exists.
        Replaced: The parent keeps replacing the checkpoint.
        OSError: The store cannot be written.
    """
    bring_back_spools(parent_path)
    parent = RunDocument.read(parent_path)
    parent.name = run_edits.read(parent_path, parent).values.get("name", parent.name)
    parent.config.update(config)
    name = name or f"{parent.name[: run_edits.NAME_LENGTH - len(_SUFFIX)]}{_SUFFIX}"
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        source = find_fork_checkpoint(parent_path, checkpoint, step)
        document = _document(parent, source, run_id, name, experiment or parent.experiment)
        folder = run_folder(store.absolute(), document.experiment, document.name, run_id)
        make_experiment_folder(store.absolute(), document.experiment)
        try:
            with _complete_folder(folder) as fork_path:
                _fill(fork_path, parent_path, parent, source)
                document.without_secrets().write(fork_path, sync=True)
            return folder
        except Replaced:
            if time.monotonic() > deadline:
                raise


def find_fork_checkpoint(folder: Path, name: str | None, step: int | None) -> Checkpoint:
    """Return the checkpoint called `name`. If `step` is passed, return the checkpoint that was saved at exactly this
    step.

    Raises:
        ConfigError, NotFound, DamagedFile: No checkpoint is specified, the checkpoint does not exist, or it cannot be
            read.
    """
    if step is not None:
        return _checkpoint_at_step(folder, whole_step(step))
    if name is None:
        raise ConfigError("a fork starts from a checkpoint: pass its name (checkpoint='last'), or its step (step=)")
    return manifests.read(folder, name)


def _fill(fork_path: Path, parent_path: Path, parent: RunDocument, checkpoint: Checkpoint) -> None:
    """Write all files of a fork except its `run.json`."""
    position = position_at(parent_path, parent, checkpoint)
    # The checkpoint is copied first, because a running parent deletes files that it replaces.
    _copy_checkpoint(checkpoint, LAST, fork_path)
    if (best := _best(checkpoint, position)) is not None:
        _copy_checkpoint(best, BEST, fork_path)
    _copy_points(parent_path, parent, position, fork_path)
    _copy_media(parent_path, position, fork_path)
    _copy_heartbeats(parent_path, position, fork_path)
    _copy_listings(parent_path, parent, fork_path)


def _checkpoint_at_step(folder: Path, step: int) -> Checkpoint:
    checkpoints = [manifests.read(folder, name) for name in manifests.names(folder)]
    for checkpoint in checkpoints:
        if checkpoint.step == step:
            return checkpoint
    steps = sorted({checkpoint.step for checkpoint in checkpoints if checkpoint.step is not None})
    if not steps:
        raise NotFound(
            f"{folder} has no checkpoint with a step to fork from; `run.checkpoint(step=..., ...)` saves one"
        )
    nearest = min(steps, key=lambda other: abs(other - step))
    raise NotFound(
        f"no checkpoint of step {step} in {folder}; it has checkpoints of steps {', '.join(map(str, steps))};"
        f" the nearest is {nearest}"
    )


def _document(parent: RunDocument, checkpoint: Checkpoint, run_id: str, name: str, experiment: str) -> RunDocument:
    at = f"checkpoint {checkpoint.name!r}" + ("" if checkpoint.step is None else f" (step {checkpoint.step})")
    return RunDocument(
        id=run_id,
        name=name,
        experiment=experiment,
        created=now(),
        status=Status("interrupted", now(), f"forked from {parent.name} ({parent.id}) at {at}, and not continued"),
        config=parent.config,
        defaults=parent.defaults,
        data=_fingerprinted_data(parent),
        lineage={
            "kind": FORK,
            "run": parent.id,
            "name": parent.name,
            "checkpoint": checkpoint.name,
            "step": checkpoint.step,
        },
        attempts=_attempts(parent, checkpoint),
        axes=parent.axes,
        charts=parent.charts,
    )


def _attempts(parent: RunDocument, checkpoint: Checkpoint) -> list[Attempt]:
    """Return the parent's attempts that led to the checkpoint. An attempt is one execution of the script. The last
    attempt ends at the checkpoint."""
    by_number = {entry.attempt: entry for entry in parent.attempts}
    attempts: list[Attempt] = []
    number: int | None = checkpoint.attempt
    while number is not None:
        if number not in by_number:
            raise DamagedFile(
                f"{checkpoint.folder}: its checkpoint {checkpoint.name!r} belongs to attempt {number}, which is missing"
                " in its run.json; fork from another checkpoint"
            )
        entry = by_number.pop(number)
        attempts.insert(0, dataclasses.replace(entry, inherited=entry.inherited or parent.id))
        number = entry.parent
    attempts[-1].seconds = max(0.0, checkpoint.position_us / 1e6 - attempts[-1].started.timestamp())
    return attempts


def _copy_points(parent_path: Path, parent: RunDocument, position: Mapping[str, int], into: Path) -> None:
    from runfolio.record.points.reader import PointFiles  # imports Arrow, which other runs do not need

    RecordPath(into, METRICS).mkdir()
    points = PointFiles(parent_path, parent)
    points.copy(segment_path(into, new_id(), 1), position)
    for problem in points.problems:
        log.warning("forking %s: %s; the fork has all readable points", parent.id, problem)


def _copy_media(parent_path: Path, position: Mapping[str, int], into: Path) -> None:
    lines: dict[RecordPath, list[bytes]] = {}
    for entry in media.read(parent_path)[0]:
        if entry.seq > position.get(entry.writer, 0):
            continue
        path = media.index_path(into, entry.writer)
        if not lines:
            path.parent.mkdir()
            RecordPath(into, MEDIA, MEDIA_FILES).mkdir()
        written = lines.setdefault(path, [header(entry.writer, entry.attempt)])
        written.append(media.encode(entry.seq, entry.time_us, entry.step, entry.kind, entry.name, entry.content))
        for name in media.file_names(entry.content):
            # Errors are expected if the parent does not have the file either, or if two lines name the same file.
            with contextlib.suppress(FileNotFoundError, FileExistsError, UnusableFile):
                media.file_path(parent_path, name).link(media.file_path(into, name))
    for path, written in lines.items():
        path.write_bytes(b"".join(written), sync=True)


def _copy_checkpoint(checkpoint: Checkpoint, name: str, into: Path) -> None:
    target = RecordPath(into, CHECKPOINTS)
    target.mkdir()
    manifest = files.read_json(manifests.manifest_path(checkpoint.folder, checkpoint.name))
    try:
        for file in checkpoint.file_names:
            with contextlib.suppress(FileExistsError):  # the file also belongs to the other checkpoint
                (RecordPath(checkpoint.folder, CHECKPOINTS) / file).link(target / file)
        files.write_json(manifests.manifest_path(into, name), {**manifest, "name": name}, sync=True)
        copied = manifests.read(into, name)
        copied.verify()
    except (FileNotFoundError, DamagedFile):
        if manifests.read(checkpoint.folder, checkpoint.name) == checkpoint:
            checkpoint.verify()  # raises an error that names the file
        raise Replaced(checkpoint) from None
    if copied.position != checkpoint.position:
        raise Replaced(checkpoint)


def _best(checkpoint: Checkpoint, position: Mapping[str, int]) -> Checkpoint | None:
    """Return the best checkpoint that the parent saved before `checkpoint`. If there is none, return `checkpoint` if it
    has a metric, and None otherwise."""
    ranked = [name for name in manifests.names(checkpoint.folder) if name.startswith(BEST)]
    for name in sorted(ranked, key=lambda name: (len(name), name)):  # the order is best, best-2, ... best-10
        with contextlib.suppress(DamagedFile, NotFound):
            best = manifests.read(checkpoint.folder, name)
            if all(seq <= position.get(writer, 0) for writer, seq in best.position.items()):
                return best
    return None if checkpoint.metric is None or checkpoint.metric != checkpoint.metric else checkpoint


def _copy_heartbeats(parent_path: Path, position: Mapping[str, int], into: Path) -> None:
    """Copy the heartbeat of each process whose points are copied. The copy states that the process has ended.

    A heartbeat is a file that a process updates while it writes to a run."""
    RecordPath(into, ALIVE).mkdir()
    for heartbeat in heartbeats.heartbeats(parent_path):
        if heartbeat.writer in position:
            dataclasses.replace(heartbeat, end=heartbeat.end or "finished").write(into)


def _copy_listings(parent_path: Path, parent: RunDocument, into: Path) -> None:
    """Create a link to the item list of each data set that the parent used."""
    RecordPath(into, DATA).mkdir()
    for fingerprint in {entry["fingerprint"] for entry in _fingerprinted_data(parent).values()}:
        # The list may have been too long to be stored, or may be missing in the parent.
        with contextlib.suppress(FileNotFoundError, UnusableFile):
            listing_path(parent_path, fingerprint).link(listing_path(into, fingerprint))


def _fingerprinted_data(parent: RunDocument) -> dict[str, Any]:
    """Return the recorded data sets that have a fingerprint. Other data sets are omitted, because the parent has not
    read them completely."""
    return {name: entry for name, entry in parent.data.items() if is_fingerprint(entry.get("fingerprint"))}


@contextlib.contextmanager
def _complete_folder(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder. At the end, flush the hidden folder to the disk and rename it to `folder`. After an error,
    remove the hidden folder.

    Raises:
        FileExistsError: `folder` already exists.
    """
    _sweep(folder.parent)
    fork_path = folder.parent / f"{HIDDEN}{new_id()}-{FORK}"
    fork_path.mkdir()
    try:
        yield fork_path
        for inner in fork_path.rglob("*"):
            if inner.is_dir():
                files.sync_file(inner)
        files.sync_file(fork_path)
        try:
            fork_path.rename(folder)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise FileExistsError(errno.EEXIST, "it exists", str(folder)) from None
            raise
        files.sync_file(folder.parent)
    except BaseException:
        shutil.rmtree(fork_path, ignore_errors=True)
        raise


def _sweep(experiment_path: Path) -> None:
    """Remove incomplete forks that killed processes have left."""
    for leftover in experiment_path.glob(f"{HIDDEN}????????-{FORK}"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(leftover)
