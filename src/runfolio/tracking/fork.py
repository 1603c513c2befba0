"""Forks: a new run that begins with another's points, up to one of its checkpoints (`docs/format.md`, Lineage).

A fork is made as a folder of its own that nobody sees before it is whole: a run that ended at the checkpoint, and that
is then resumed like any other. The run it comes of is only read; it may be running, and may be deleted afterwards.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
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
    new_id,
    run_folder,
    segment_path,
)
from runfolio.record.base.run_document import FORK, Attempt, RunDocument, Status, now
from runfolio.record.checkpoints import manifests
from runfolio.record.checkpoints.manifests import BEST, LAST, Checkpoint
from runfolio.record.content import media, run_edits
from runfolio.record.content.datasets import is_fingerprint, listing_path
from runfolio.record.liveness import heartbeats
from runfolio.record.points.tails import header
from runfolio.tracking.checkpointing.resume_position import bring_back_spools, position_at
from runfolio.tracking.pipeline.background_log import log
from runfolio.tracking.pipeline.plain_values import whole_step

_SUFFIX = "-fork"
_PATIENCE_S = 20.0
"""How long to try to copy a checkpoint that a running training keeps saving anew."""
_ABANDONED_S = 3600.0
"""As long must a half-made fork not have changed to be taken for one whose maker was killed."""


class Replaced(StoreError):  # noqa: N818 - as all of runfolio's errors, named by what happened
    """The checkpoint was saved anew while it was being copied."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(
            f"checkpoint {checkpoint.name!r} of {checkpoint.folder} is saved anew faster than it can be copied;"
            " fork from another one, such as checkpoint='best', or later"
        )


def fork(
    store: Path,
    parent: Path,
    checkpoint: str | None,
    step: int | None,
    name: str | None,
    experiment: str | None,
    config: Mapping[str, Any],
    run_id: str,
) -> Path:
    """The folder of a new run that holds what another had at a checkpoint.

    Args:
        parent: The folder of the run to fork.
        checkpoint: The name of the one to begin from.
        step: Begin from the one of exactly this step instead.
        name: None: the parent's with `-fork` behind it; as `experiment` is the parent's then.
        config: What goes before the parent's.
        run_id: The new run's id.
    Raises:
        ConfigError: Neither checkpoint nor step is given, or the step is no whole number.
        NotFound: There is no such checkpoint; the message names those there are.
        DamagedFile: It cannot be read. Another one in its place would be another fork.
        FileExistsError: A run of that id is there.
        Replaced: The parent keeps saving the checkpoint anew.
        OSError: The store cannot be written.
    """
    bring_back_spools(parent)
    of = RunDocument.read(parent)
    of.name = run_edits.read(parent, of).values.get("name", of.name)
    of.config.update(config)
    name = name or f"{of.name[: run_edits.NAME_LENGTH - len(_SUFFIX)]}{_SUFFIX}"
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        found = chosen(parent, checkpoint, step)
        document = _document(of, found, run_id, name, experiment or of.experiment)
        folder = run_folder(store.absolute(), document.experiment, document.name, run_id)
        try:
            with _appearing_whole(folder) as begun:
                _fill(begun, parent, of, found)
                document.without_secrets().write(begun, sync=True)
            return folder
        except Replaced:
            if time.monotonic() > deadline:
                raise


def chosen(folder: Path, name: str | None, step: int | None) -> Checkpoint:
    """The checkpoint to begin from: by name, or the one of exactly that step.

    Raises:
        As `fork`.
    """
    if step is not None:
        return _of_step(folder, whole_step(step))
    if name is None:
        raise ConfigError("a fork begins from a checkpoint: give its name (checkpoint='last'), or its step (step=)")
    return manifests.read(folder, name)


def _fill(begun: Path, parent: Path, of: RunDocument, checkpoint: Checkpoint) -> None:
    """Everything of a fork but its document."""
    kept = position_at(parent, of, checkpoint)
    _copy_checkpoint(checkpoint, LAST, begun)  # first: a run that trains on deletes what it saves anew
    if (best := _best(checkpoint, kept)) is not None:
        _copy_checkpoint(best, BEST, begun)
    _copy_points(parent, of, kept, begun)
    _copy_media(parent, kept, begun)
    _copy_heartbeats(parent, kept, begun)
    _copy_listings(parent, of, begun)


def _of_step(folder: Path, step: int) -> Checkpoint:
    found = [manifests.read(folder, name) for name in manifests.names(folder)]
    for checkpoint in found:
        if checkpoint.step == step:
            return checkpoint
    steps = sorted({checkpoint.step for checkpoint in found if checkpoint.step is not None})
    if not steps:
        raise NotFound(f"{folder} has no checkpoint of a step to fork from; `run.checkpoint(step=..., ...)` saves one")
    nearest = min(steps, key=lambda there: abs(there - step))
    raise NotFound(
        f"no checkpoint of step {step} in {folder}; there are those of {', '.join(map(str, steps))},"
        f" the nearest is {nearest}"
    )


def _document(of: RunDocument, checkpoint: Checkpoint, run_id: str, name: str, experiment: str) -> RunDocument:
    at = f"checkpoint {checkpoint.name!r}" + ("" if checkpoint.step is None else f" (step {checkpoint.step})")
    return RunDocument(
        id=run_id,
        name=name,
        experiment=experiment,
        created=now(),
        status=Status("interrupted", now(), f"forked from {of.name} ({of.id}) at {at}, and not gone on with"),
        config=of.config,
        defaults=of.defaults,
        data=_known_data(of),
        lineage={"kind": FORK, "run": of.id, "name": of.name, "checkpoint": checkpoint.name, "step": checkpoint.step},
        attempts=_attempts(of, checkpoint),
        axes=of.axes,
    )


def _attempts(of: RunDocument, checkpoint: Checkpoint) -> list[Attempt]:
    """Those that led to the checkpoint; the last one as if it had ended there."""
    by_number = {entry.attempt: entry for entry in of.attempts}
    found: list[Attempt] = []
    number: int | None = checkpoint.attempt
    while number is not None:
        if number not in by_number:
            raise DamagedFile(
                f"{checkpoint.folder}: its checkpoint {checkpoint.name!r} is of attempt {number}, which its run.json"
                " does not name; fork from another checkpoint"
            )
        entry = by_number.pop(number)
        found.insert(0, dataclasses.replace(entry, inherited=entry.inherited or of.id))
        number = entry.parent
    found[-1].seconds = max(0.0, checkpoint.position_us / 1e6 - found[-1].started.timestamp())
    return found


def _copy_points(parent: Path, of: RunDocument, kept: Mapping[str, int], into: Path) -> None:
    from runfolio.record.points.reader import PointFiles  # Arrow, which other runs need not load

    (into / METRICS).mkdir()
    points = PointFiles(parent, of)
    points.copy(segment_path(into, new_id(), 1), kept)
    for problem in points.problems:
        log.warning("forking %s: %s; the fork has what can be read", of.id, problem)


def _copy_media(parent: Path, kept: Mapping[str, int], into: Path) -> None:
    lines: dict[Path, list[bytes]] = {}
    for entry in media.read(parent)[0]:
        if entry.seq > kept.get(entry.writer, 0):
            continue
        path = media.index_path(into, entry.writer)
        if not lines:
            (path.parent / MEDIA_FILES).mkdir(parents=True)
        written = lines.setdefault(path, [header(entry.writer, entry.attempt)])
        written.append(media.encode(entry.seq, entry.time_us, entry.step, entry.kind, entry.name, entry.content))
        if entry.path is not None:
            with contextlib.suppress(FileNotFoundError):  # lost in the parent as well
                _link(entry.path, into / MEDIA / MEDIA_FILES / entry.path.name)
    for path, written in lines.items():
        path.write_bytes(b"".join(written))
        files.sync_file(path)


def _copy_checkpoint(checkpoint: Checkpoint, name: str, into: Path) -> None:
    place = into / CHECKPOINTS
    place.mkdir(exist_ok=True)
    manifest = files.read_json(checkpoint.folder / CHECKPOINTS / f"{checkpoint.name}.json")
    try:
        for file in checkpoint.file_names:
            with contextlib.suppress(FileExistsError):  # the other checkpoint's, too
                _link(checkpoint.folder / CHECKPOINTS / file, place / file)
        files.write_json(place / f"{name}.json", {**manifest, "name": name}, sync=True)
        copied = manifests.read(into, name)
        copied.verify()
    except (FileNotFoundError, DamagedFile):
        if manifests.read(checkpoint.folder, checkpoint.name) == checkpoint:
            checkpoint.verify()  # which names the file
        raise Replaced(checkpoint) from None
    if copied.position != checkpoint.position:
        raise Replaced(checkpoint)


def _best(checkpoint: Checkpoint, kept: Mapping[str, int]) -> Checkpoint | None:
    """The best of the parent's checkpoints that were saved by then, as far as they are still there."""
    ranked = [name for name in manifests.names(checkpoint.folder) if name.startswith(BEST)]
    for name in sorted(ranked, key=lambda name: (len(name), name)):  # best, best-2, ... best-10
        with contextlib.suppress(DamagedFile, NotFound):
            found = manifests.read(checkpoint.folder, name)
            if all(seq <= kept.get(writer, 0) for writer, seq in found.position.items()):
                return found
    return None if checkpoint.metric is None or checkpoint.metric != checkpoint.metric else checkpoint


def _copy_heartbeats(parent: Path, kept: Mapping[str, int], into: Path) -> None:
    """Who the inherited writers were. Whatever they do now, here they write no more."""
    (into / ALIVE).mkdir()
    for heartbeat in heartbeats.heartbeats(parent):
        if heartbeat.writer in kept:
            dataclasses.replace(heartbeat, end=heartbeat.end or "finished").write(into)


def _copy_listings(parent: Path, of: RunDocument, into: Path) -> None:
    """Of the data that the points up to there came of."""
    (into / DATA).mkdir()
    for fingerprint in {entry["fingerprint"] for entry in _known_data(of).values()}:
        with contextlib.suppress(FileNotFoundError):  # too long to be kept
            _link(listing_path(parent, fingerprint), listing_path(into, fingerprint))


def _known_data(of: RunDocument) -> dict[str, Any]:
    """What the run noted of its data, without what it was still finding out."""
    return {name: entry for name, entry in of.data.items() if is_fingerprint(entry.get("fingerprint"))}


def _link(source: Path, target: Path) -> None:
    """A second name for a file that is never changed; a copy where the disk cannot have that."""
    try:
        os.link(source, target)
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError:
        shutil.copyfile(source, target)
        files.sync_file(target)


@contextlib.contextmanager
def _appearing_whole(folder: Path) -> Iterator[Path]:
    """A hidden folder that becomes `folder` at the end, all of it on the disk, or goes again.

    Raises:
        FileExistsError: `folder` is there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    begun = folder.parent / f"{files.HIDDEN}{new_id()}-{FORK}"
    begun.mkdir()
    try:
        yield begun
        for inner in begun.rglob("*"):
            if inner.is_dir():
                files.sync_file(inner)
        files.sync_file(begun)
        try:
            begun.rename(folder)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise FileExistsError(errno.EEXIST, "it is there", str(folder)) from None
            raise
        files.sync_file(folder.parent)
    except BaseException:
        shutil.rmtree(begun, ignore_errors=True)
        raise


def _sweep(place: Path) -> None:
    """Take away what forks left half made whose makers were killed."""
    for left in place.glob(f"{files.HIDDEN}????????-{FORK}"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left)
