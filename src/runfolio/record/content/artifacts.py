"""Artifacts: files kept with a run, each file with its digest (`docs/format.md`, Artifacts)."""

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
    """A file of an artifact."""

    file: PathText
    """Below the artifact's folder, with `/`."""
    bytes: Count
    sha256: Sha256


@dataclass(frozen=True)
class Artifact:
    """`artifacts/<name>.json`."""

    files: list[ArtifactFile]
    name: Line | None = None
    type: Prose = "file"
    saved: Moment | None = None
    folder: FileNameText | None = None
    """Folder below `artifacts/` that holds the files; None: the artifact's name."""


def save(folder: Path, source: Path, name: str, kind: str) -> Path:
    """Copy a file or a folder into a run's record, in the place of an earlier artifact of that name.

    Args:
        folder: The run's folder.
        name: The artifact's name; letters, digits, `.`, `_` and `-`.
        kind: What it is, for people: `dataset`, `report`.
    Returns:
        The folder of the copy.
    Raises:
        NotFound: `source` does not exist.
        ConfigError: The name is not one; or `source` holds the run itself.
        StoreError: It cannot be copied.
    """
    if not source.exists():
        raise NotFound(f"no file or folder {source} to keep as an artifact")
    if name != slug(name):
        raise ConfigError(f"artifact name {name!r} must be of letters, digits, '.', '_' and '-': say {slug(name)!r}")
    if folder.resolve().is_relative_to(source.resolve()):
        raise ConfigError(f"{source} holds this run's own record, {folder}; name what is to be kept below it")
    manifest = RecordPath(folder, ARTIFACTS) / f"{name}.json"
    target: RecordPath | None = None
    try:
        manifest.parent.mkdir()
        earlier = find(folder, name)
        target = _new_folder(manifest.parent, name)
        entries = _copy(source, target)
        if earlier is not None:  # the only copies must have reached the disk before the earlier ones go
            _sync(target)
        files.write_json(manifest, _description(target, name, kind, entries), sync=True)
    except BaseException as error:
        if target is not None and find(folder, name) != target:  # an error may follow after the manifest is replaced
            target.rmtree()
        if not isinstance(error, OSError):
            raise
        raise StoreError(f"cannot keep {source} as artifact {name!r}: {_reason(error)}") from None
    if earlier is not None:
        earlier.rmtree()
    return target.path


def read(manifest: RecordPath) -> Artifact:
    """Return what a manifest says of an artifact; its files are below the folder that it names.

    Raises:
        FileNotFoundError: There is no such manifest.
        DamagedFile: It is not one, or names a file or a folder outside of the artifact.
        NewerFormat, StoreError: As `files.read_json`.
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
    """Return the folder of an artifact's files; None if there is none, or none that can be read."""
    try:
        manifest = RecordPath(folder, ARTIFACTS) / f"{name}.json"
        return files_folder(manifest, read(manifest))
    except (RunfolioError, OSError):
        return None


def _new_folder(parent: RecordPath, name: str) -> RecordPath:
    """Create the first free one of the folders `name`, `name.2`, `name.3` and so on; never one named as a manifest."""
    for number in itertools.count(2 if name.endswith(".json") else 1):
        folder = parent / (name if number == 1 else f"{name}.{number}")
        try:
            folder.create_folder()
        except FileExistsError:
            continue
        return folder
    raise AssertionError


def _copy(source: Path, target: RecordPath) -> list[dict[str, Any]]:
    """Copy the files, and return what a manifest says of each."""
    with target.opened() as (_, path):
        if source.is_dir():
            # Links are followed: the record must stand on its own.
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
    """What went wrong; where a whole folder was copied, with its first file."""
    several = error.args[0] if isinstance(error, shutil.Error) else None
    return str(several[0][2]) if isinstance(several, list) else str(error)
