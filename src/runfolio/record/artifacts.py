"""Artifacts: files kept with a run, each file with its digest (`docs/format.md`, Artifacts)."""

from __future__ import annotations

import shutil
from pathlib import Path

from runfolio.errors import ConfigError, NotFound
from runfolio.record import files
from runfolio.record.document import now, time_to_text
from runfolio.record.layout import ARTIFACTS, FORMAT, slug


def save(folder: Path, source: Path, name: str, kind: str) -> Path:
    """Copy a file or a folder into a run's record; where it lies there.

    Args:
        folder: The run's folder.
        name: The artifact's name; letters, digits, `.`, `_` and `-`.
        kind: What it is, for people: `dataset`, `report`.
    Raises:
        NotFound: `source` does not exist.
        ConfigError: The name is not one, or is taken.
    """
    if not source.exists():
        raise NotFound(f"no file or folder {source} to keep as an artifact")
    if name != slug(name):
        raise ConfigError(f"artifact name {name!r} must be of letters, digits, '.', '_' and '-': say {slug(name)!r}")
    place = folder / ARTIFACTS / name
    try:
        place.mkdir(parents=True)
    except FileExistsError:
        raise ConfigError(f"this run has an artifact {name!r} already; choose another name") from None
    if source.is_dir():
        # Links are followed: the record must stand on its own.
        shutil.copytree(source, place, dirs_exist_ok=True)
    else:
        shutil.copy2(source, place / source.name)
    listed = [
        {
            "file": path.relative_to(place).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": files.sha256(path),
        }
        for path in sorted(place.rglob("*"))
        if path.is_file()
    ]
    manifest = {"runfolio": FORMAT, "name": name, "type": kind, "saved": time_to_text(now()), "files": listed}
    files.write_json(folder / ARTIFACTS / f"{name}.json", manifest, sync=True)
    return place
