"""Artifacts: files stored with a run, each with its digest (`docs/format.md`, Artifacts)."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runfolio.errors import ConfigError, DamagedFile, NotFound, RunfolioError, StoreError
from runfolio.record.base import files, schema
from runfolio.record.base.layout import ARTIFACTS, FORMAT, slug
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import now, time_to_text
from runfolio.record.base.schema import Count, FileNameText, Line, Moment, PathText, Prose, Sha256


@dataclass(frozen=True)
class ArtifactFile:
    """File of an artifact."""

    file: PathText
    """Path relative to the artifact's folder, with `/` as the separator."""
    bytes: Count
    sha256: Sha256


@dataclass(frozen=True)
class Artifact:
    """Content of `artifacts/<name>.json`."""

    files: list[ArtifactFile]
    name: Line | None = None
    type: Prose = "file"
    saved: Moment | None = None
    folder: FileNameText | None = None
    """Name of the folder below `artifacts/` that contains the files. None means that the folder has the name of the
    artifact."""


def save(folder: Path, source: Path, name: str, kind: str) -> Path:
    """Copy a file or a folder into a run's record. An earlier artifact of the same name is replaced.

    Args:
        folder: Folder of the run.
        name: Name of the artifact, made of letters, digits, `.`, `_` and `-`.
        kind: Kind of the artifact, such as `dataset` or `report`. The kind is only shown to users.
    Returns:
        Folder of the copy.
    Raises:
        NotFound: `source` does not exist.
        ConfigError: The name is invalid, or `source` contains the run itself.
        StoreError: The file or the folder cannot be copied.
    """
    if not source.exists():
        raise NotFound(f"there is no file or folder {source} to save as an artifact")
    if name != slug(name):
        raise ConfigError(
            f"artifact name {name!r} must consist of letters, digits, '.', '_' and '-': use {slug(name)!r}"
        )
    if folder.resolve().is_relative_to(source.resolve()):
        raise ConfigError(f"{source} contains this run's own record, {folder}; choose a file or a different folder")
    manifest = RecordPath(folder, ARTIFACTS) / f"{name}.json"
    target: RecordPath | None = None
    try:
        manifest.parent.mkdir()
        earlier = find(folder, name)
        target = _new_folder(manifest.parent, name)
        entries = _copy(source, target)
        if earlier is not None:  # the new copies must be on the disk before the earlier copies are removed
            _sync(target)
        files.write_json(manifest, _description(target, name, kind, entries), sync=True)
    except BaseException as error:
        if target is not None and find(folder, name) != target:  # the manifest may have been replaced before the error
            target.rmtree()
        if not isinstance(error, OSError):
            raise
        raise StoreError(f"cannot save {source} as artifact {name!r}: {_reason(error)}") from None
    if earlier is not None:
        earlier.rmtree()
    return target.path


def read(manifest: RecordPath) -> Artifact:
    """Read the manifest of an artifact.

    Raises:
        FileNotFoundError: The manifest does not exist.
        DamagedFile: The file is not a manifest, or it names a file or a folder outside the artifact.
        NewerFormat, StoreError: A newer version of runfolio wrote the file, or the file cannot be read.
    """
    try:
        artifact = schema.decode_whole(Artifact, files.read_json(manifest))
        for entry in artifact.files:
            files_folder(manifest, artifact).below(entry.file)
    except ValueError as error:
        raise DamagedFile(f"{manifest} is damaged ({error})") from None
    return artifact


def files_folder(manifest: RecordPath, artifact: Artifact) -> RecordPath:
    """Return the folder of an artifact's files."""
    return manifest.parent / (artifact.folder or manifest.stem)


def find(folder: Path, name: str) -> RecordPath | None:
    """Return the folder of an artifact's files, or None if there is no readable artifact."""
    try:
        manifest = RecordPath(folder, ARTIFACTS) / f"{name}.json"
        return files_folder(manifest, read(manifest))
    except (RunfolioError, OSError):
        return None


def _new_folder(parent: RecordPath, name: str) -> RecordPath:
    """Create the first unused folder of `name`, `name.2`, `name.3` and so on.

    If `name` ends in `.json`, it is not used as a folder name, since it may be the name of a manifest.
    """
    for number in itertools.count(2 if name.endswith(".json") else 1):
        folder = parent / (name if number == 1 else f"{name}.{number}")
        try:
            folder.create_folder()
        except FileExistsError:
            continue
        return folder
    raise AssertionError


def _copy(source: Path, target: RecordPath) -> list[dict[str, Any]]:
    """Copy the files, and return the manifest entry of each file."""
    with target.opened() as (_, path):
        if source.is_dir():
            # Links are followed, since the record must not depend on other files.
            shutil.copytree(source, path, dirs_exist_ok=True)
        else:
            shutil.copy2(source, path / source.name)
        return [
            {
                "file": copied.relative_to(path).as_posix(),
                "bytes": copied.stat().st_size,
                "sha256": files.sha256(copied),
            }
            for copied in sorted(path.rglob("*"))
            if copied.is_file()
        ]


def _sync(folder: RecordPath) -> None:
    with folder.opened() as (_, path):
        for copied in (path, *path.rglob("*")):
            files.sync_file(copied)


def _description(target: RecordPath, name: str, kind: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the content of an artifact's manifest."""
    return {
        "runfolio": FORMAT,
        "name": name,
        "type": kind,
        "saved": time_to_text(now()),
        "folder": target.name,
        "files": entries,
    }


def _reason(error: OSError) -> str:
    """Return the message of an error. If the error is about a folder, return the message about the first file that was
    not copied."""
    several = error.args[0] if isinstance(error, shutil.Error) else None
    return str(several[0][2]) if isinstance(several, list) else str(error)
