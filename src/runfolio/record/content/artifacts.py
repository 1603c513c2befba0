"""Artifacts: files kept with a run, each file with its digest (`docs/format.md`, Artifacts)."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from runfolio.errors import ConfigError, DamagedFile, NotFound, RunfolioError, StoreError
from runfolio.record.base import files, schema
from runfolio.record.base.layout import ARTIFACTS, FORMAT, slug
from runfolio.record.base.run_document import now, time_to_text
from runfolio.record.base.schema import Count, Line, Moment, PathText, Prose, Sha256


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
    folder: Line | None = None
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
    manifest = folder / ARTIFACTS / f"{name}.json"
    target: Path | None = None
    try:
        # Without the folders above: a run that was deleted must not come back as half a folder.
        manifest.parent.mkdir(exist_ok=True)
        earlier = find(folder, name)
        target = _new_folder(manifest.parent, name)
        _copy(source, target)
        if earlier is not None:  # the only copies must have reached the disk before the earlier ones go
            _sync(target)
        files.write_json(manifest, _description(target, name, kind), sync=True)
    except BaseException as error:
        if target is not None and find(folder, name) != target:  # an error may follow after the manifest is replaced
            shutil.rmtree(target, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise StoreError(f"cannot keep {source} as artifact {name!r}: {_reason(error)}") from None
    if earlier is not None:
        shutil.rmtree(earlier, ignore_errors=True)
    return target


def read(manifest: Path) -> Artifact:
    """Return what a manifest says of an artifact; its files are below the folder that it names.

    Raises:
        FileNotFoundError: There is no such manifest.
        DamagedFile: It is not one, or names a file or a folder outside of the artifact.
        NewerFormat, StoreError: As `files.read_json`.
    """
    try:
        artifact = schema.decode_whole(Artifact, files.read_json(manifest))
        if not (artifact.folder is None or files.is_file_name(artifact.folder)):
            raise ValueError(f"{artifact.folder!r} is no folder of it")
        for entry in artifact.files:
            path = PurePosixPath(entry.file)
            if path.is_absolute() or ".." in path.parts or not path.parts:
                raise ValueError(f"{entry.file!r} is no file of it")
    except ValueError as error:
        raise DamagedFile(f"{manifest} is damaged ({error})") from None
    return artifact


def files_folder(manifest: Path, artifact: Artifact) -> Path:
    """Return the folder of an artifact's files."""
    return manifest.parent / (artifact.folder or manifest.stem)


def find(folder: Path, name: str) -> Path | None:
    """Return the folder of an artifact's files; None if there is none, or none that can be read."""
    manifest = folder / ARTIFACTS / f"{name}.json"
    try:
        return files_folder(manifest, read(manifest))
    except (RunfolioError, OSError):
        return None


def _new_folder(parent: Path, name: str) -> Path:
    """Create the first free one of the folders `name`, `name.2`, `name.3` and so on; never one named as a manifest."""
    for number in itertools.count(2 if name.endswith(".json") else 1):
        folder = parent / (name if number == 1 else f"{name}.{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        # Links are followed: the record must stand on its own.
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target / source.name)


def _sync(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        files.sync_file(path)


def _description(target: Path, name: str, kind: str) -> dict[str, Any]:
    """Return the content of an artifact's manifest."""
    entries = [
        {
            "file": path.relative_to(target).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": files.sha256(path),
        }
        for path in sorted(target.rglob("*"))
        if path.is_file()
    ]
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
