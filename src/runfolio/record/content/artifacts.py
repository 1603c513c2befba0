"""Artifacts: files stored with a run, each with its digest (`docs/format.md`, Artifacts)."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runfolio.errors import ConfigError, NotFound, RunfolioError, StoreError
from runfolio.record.base import files
from runfolio.record.base.layout import ARTIFACTS, FORMAT, slug
from runfolio.record.base.run_document import now, time_to_text


def save(folder: Path, source: Path, name: str, kind: str) -> Path:
    """Copy a file or a folder into a run's record; it replaces an earlier artifact of the same name.

    Args:
        folder: Folder of the run.
        name: Name of the artifact: letters, digits, `.`, `_` and `-`.
        kind: Kind of the artifact for people, such as `dataset` or `report`.
    Returns:
        Folder of the copy.
    Raises:
        NotFound: `source` does not exist.
        ConfigError: The name is invalid, or `source` contains the run itself.
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
        # Without parents: a deleted run must not come back as an incomplete folder.
        manifest.parent.mkdir(exist_ok=True)
        earlier = find(folder, name)
        target = _new_folder(manifest.parent, name)
        _copy(source, target)
        if earlier is not None:  # the new copies must be on the disk before the earlier ones are removed
            _sync(target)
        files.write_json(manifest, _description(target, name, kind), sync=True)
    except BaseException as error:
        if target is not None and find(folder, name) != target:  # the error may follow the replacement of the manifest
            shutil.rmtree(target, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise StoreError(f"cannot keep {source} as artifact {name!r}: {_reason(error)}") from None
    if earlier is not None:
        shutil.rmtree(earlier, ignore_errors=True)
    return target


def files_folder(manifest: Path, about: Mapping[str, Any]) -> Path:
    """Return the folder of an artifact's files.

    Raises:
        ValueError: The manifest names no folder below `artifacts/`.
    """
    name = about.get("folder", manifest.stem)
    if not files.is_file_name(name):
        raise ValueError(f"{name!r} is no folder of it")
    return manifest.parent / name


def find(folder: Path, name: str) -> Path | None:
    """Return the folder of an artifact's files; None if there is no readable artifact."""
    manifest = folder / ARTIFACTS / f"{name}.json"
    try:
        return files_folder(manifest, files.read_json(manifest))
    except (RunfolioError, OSError, ValueError):
        return None


def _new_folder(parent: Path, name: str) -> Path:
    """Create the first free folder among `name`, `name.2`, `name.3` and so on; never one named like a manifest."""
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
        # Links are followed, since the record must not depend on other files.
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
    """Return the message of an error; for a copied folder, that of its first file."""
    several = error.args[0] if isinstance(error, shutil.Error) else None
    return str(several[0][2]) if isinstance(several, list) else str(error)
