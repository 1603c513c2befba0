"""Artifacts: files kept with a run, each file with its digest (`docs/format.md`, Artifacts)."""

from __future__ import annotations

import shutil
from pathlib import Path

from runfolio.errors import ConfigError, NotFound, StoreError
from runfolio.record.base import files
from runfolio.record.base.layout import ARTIFACTS, FORMAT, slug
from runfolio.record.base.run_document import now, time_to_text


def save(folder: Path, source: Path, name: str, kind: str) -> Path:
    """Copy a file or a folder into a run's record; where it lies there.

    Args:
        folder: The run's folder.
        name: The artifact's name; letters, digits, `.`, `_` and `-`.
        kind: What it is, for people: `dataset`, `report`.
    Raises:
        NotFound: `source` does not exist.
        ConfigError: The name is not one, or is taken; or `source` holds the run itself.
        StoreError: It cannot be copied.
    """
    if not source.exists():
        raise NotFound(f"no file or folder {source} to keep as an artifact")
    if name != slug(name):
        raise ConfigError(f"artifact name {name!r} must be of letters, digits, '.', '_' and '-': say {slug(name)!r}")
    if folder.resolve().is_relative_to(source.resolve()):
        raise ConfigError(f"{source} holds this run's own record, {folder}; name what is to be kept below it")
    target = folder / ARTIFACTS / name
    manifest = folder / ARTIFACTS / f"{name}.json"
    try:
        if manifest.exists():
            raise FileExistsError
        manifest.parent.mkdir(exist_ok=True)
        target.mkdir()
    except FileExistsError:
        raise ConfigError(f"this run has an artifact {name!r} already; choose another name") from None
    except OSError as error:  # never made anew above this: a run that was deleted must not come back as half a folder
        raise StoreError(f"cannot keep {source} as artifact {name!r}: {_reason(error)}") from None
    try:
        _copy(source, target, manifest, name, kind)
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        raise StoreError(f"cannot keep {source} as artifact {name!r}: {_reason(error)}") from None
    return target


def _copy(source: Path, target: Path, manifest: Path, name: str, kind: str) -> None:
    if source.is_dir():
        # Links are followed: the record must stand on its own.
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target / source.name)
    entries = [
        {
            "file": path.relative_to(target).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": files.sha256(path),
        }
        for path in sorted(target.rglob("*"))
        if path.is_file()
    ]
    about = {"runfolio": FORMAT, "name": name, "type": kind, "saved": time_to_text(now()), "files": entries}
    files.write_json(manifest, about, sync=True)


def _reason(error: OSError) -> str:
    """What went wrong; where a whole folder was copied, with its first file."""
    several = error.args[0] if isinstance(error, shutil.Error) else None
    return str(several[0][2]) if isinstance(several, list) else str(error)
