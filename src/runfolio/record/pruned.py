"""Pruned checkpoints in the trash of a store (`docs/format.md`, Trash).

Each time a run is pruned, a folder `.trash/.pruned/<run_path>/<id>` with the layout of a run folder is created.
Checkpoints are moved to this folder and back with hard links. A checkpoint exists in both folders until its old
manifest is removed. Therefore, a manifest never names a missing file, even if the process is killed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from runfolio.errors import NotFound, RunfolioError
from runfolio.record import store_folders, trash
from runfolio.record.base.layout import CHECKPOINTS, PRUNED, TRASH, new_id, pruned_parts
from runfolio.record.base.record_path import RecordPath
from runfolio.record.checkpoints import manifests
from runfolio.record.checkpoints.manifests import Checkpoint
from runfolio.record.disk_use import walk


def put(store: Path, run_path: str, names: Iterable[str]) -> list[str]:
    """Move checkpoints of a run into the trash, and return the names of the moved checkpoints. Damaged checkpoints are
    not moved.

    The modification time of the new folder is the time of pruning.

    Raises:
        NotFound: The run does not exist.
        StoreError: The store cannot be changed, or the path of the run or of its folder in the trash contains a link.
    """
    source = store_folders.checked_folder(store, run_path)
    part = store_folders.free_path(store / TRASH, f"{PRUNED}/{run_path}/{new_id()}")
    try:
        part.mkdir()
        moved = _move(source, part, names)
        if not moved:
            trash.discard(store, part)
    except OSError as error:
        raise store_folders.store_error("prune", source, error) from None
    return moved


def restore(store: Path, run_path: str) -> list[str]:
    """Move the pruned checkpoints of a run back into the run, and return the names of the restored checkpoints.

    If the run has a different checkpoint with the same name, the pruned checkpoint stays in the trash. If several
    pruned checkpoints have the same name, the most recently pruned one is restored.

    Raises:
        NotFound: The run does not exist, or none of its checkpoints is in the trash.
        StoreError: The store cannot be changed, or the path of the run or of its folder in the trash contains a link.
    """
    parts = pruned_parts(_checked_pruned(store, run_path))
    try:
        target = store_folders.checked_folder(store, run_path)
    except NotFound:
        raise NotFound(f"there is no run {run_path} in {store}, so its pruned checkpoints stay in the trash") from None
    restored: list[str] = []
    try:
        for part in parts:
            restored += _move(part, target, manifests.names(part))
            if not manifests.names(part):
                trash.discard(store, part)
    except OSError as error:
        raise store_folders.store_error("undelete checkpoints of", target, error) from None
    return sorted(restored)


def purge(store: Path, run_path: str) -> int:
    """Remove the pruned checkpoints of a run permanently, and return the number of bytes freed on the disk.

    Raises:
        NotFound: No checkpoint of the run is in the trash.
        StoreError: The checkpoints cannot be removed, or the path contains a link.
    """
    return trash.discard(store, _checked_pruned(store, run_path))


def folder(store: Path, run_path: str) -> Path:
    """Return the folder in the trash for the pruned checkpoints of a run."""
    return store / TRASH / PRUNED / run_path


def run_paths(store: Path) -> Iterator[str]:
    """Yield the path of each run that has pruned checkpoints in the trash. Links are not followed."""
    pruned = store / TRASH / PRUNED
    if not (store_folders.is_real(store / TRASH) and store_folders.is_real(pruned)):
        return
    for parent, folders, _ in walk(pruned):
        if any(pruned_parts(Path(parent))):
            yield Path(parent).relative_to(pruned).as_posix()
            folders.clear()


def _checked_pruned(store: Path, run_path: str) -> Path:
    return store_folders.checked_folder(store / TRASH, f"{PRUNED}/{run_path}")


def _move(source: Path, target: Path, names: Iterable[str]) -> list[str]:
    """Move checkpoints from one folder to another, and return the names of the moved checkpoints.

    Raises:
        OSError: The store cannot be changed. Each checkpoint is still complete in at least one of the two folders.
    """
    checkpoints: list[Checkpoint] = []
    RecordPath(target, CHECKPOINTS).mkdir()
    for name in names:
        with contextlib.suppress(RunfolioError):  # the files of a damaged checkpoint are unknown
            checkpoint = manifests.read(source, name)
            _link_tensors(checkpoint, target)
            checkpoints.append(checkpoint)
    moved = [checkpoint for checkpoint in checkpoints if _link_manifest(checkpoint, target)]
    # Before the manifest existed, another process may have removed the linked files while it saved a checkpoint.
    for checkpoint in moved:
        _link_tensors(checkpoint, target)
    RecordPath(target, CHECKPOINTS).sync()
    names_moved = [checkpoint.name for checkpoint in moved]
    manifests.delete_names(source, names_moved)
    return names_moved


def _link_tensors(checkpoint: Checkpoint, target: Path) -> None:
    """Create hard links to the tensor files of a checkpoint in another folder.

    Raises:
        UnusableFile: A tensor file is not a regular file.
        OSError: The store cannot be changed.
    """
    for name in checkpoint.file_names:
        with contextlib.suppress(FileExistsError, FileNotFoundError):  # a damaged checkpoint may lack a file
            (RecordPath(checkpoint.folder, CHECKPOINTS) / name).link(RecordPath(target, CHECKPOINTS) / name)


def _link_manifest(checkpoint: Checkpoint, target: Path) -> bool:
    """Create a hard link to the manifest of a checkpoint in another folder.

    Return False if this folder has a different checkpoint of the same name.
    """
    path = manifests.manifest_path(target, checkpoint.name)
    if not path.exists():
        with contextlib.suppress(FileExistsError):
            manifests.manifest_path(checkpoint.folder, checkpoint.name).link(path)
            return True
    try:  # if a process was killed before it removed the old manifest, both manifests are equal
        return manifests.manifest_of(target, checkpoint.name) == manifests.manifest_of(
            checkpoint.folder, checkpoint.name
        )
    except RunfolioError:
        return False
