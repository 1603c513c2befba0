"""Installed packages and their versions, determined from the names of metadata folders.

`importlib.metadata` parses one file per package and holds the GIL for about a millisecond each time. The name of a
metadata folder contains the package name and version too (PyPA, Recording installed projects).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from runfolio.record.base.redaction import redact_text

_METADATA = re.compile(r"(?P<name>[A-Za-z0-9][\w.]*?)-(?P<version>[^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info")


def packages(path: Sequence[str] | None = None) -> tuple[dict[str, str], dict[str, str]]:
    """Return two dicts that are keyed by canonical name. The first contains the version of each package, sorted by
    name. The second contains the origin of each package that was installed from a folder or a URL.

    Args:
        path: Folders to search. Default: `sys.path`.
    """
    folders = sys.path if path is None else path
    return _packages(tuple(stamp for folder in folders if (stamp := _stamp(folder)) is not None))


def _stamp(folder: str) -> tuple[str, int] | None:
    """Return a folder and its modification time, which changes whenever a package is installed."""
    try:
        return folder, os.stat(folder).st_mtime_ns  # noqa: PTH116 - `sys.path` contains strings
    except OSError:
        return None


@lru_cache(maxsize=2)
def _packages(folders: tuple[tuple[str, int], ...]) -> tuple[dict[str, str], dict[str, str]]:
    versions: dict[str, str] = {}
    origins: dict[str, str] = {}
    for folder, _ in folders:
        for path in _metadata_folders(Path(folder)):
            match = _METADATA.fullmatch(path.name)
            name = re.sub(r"[-_.]+", "-", match["name"]).lower() if match else ""
            if match is None or name in versions:  # Python imports the first match on the path
                continue
            versions[name] = match["version"]
            if (origin := _origin(path)) is not None:
                origins[name] = origin
    return dict(sorted(versions.items())), dict(sorted(origins.items()))


def _metadata_folders(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder) if name.endswith(("dist-info", "egg-info"))]  # noqa: PTH208
    except OSError:  # the entry is a zip file
        return []


def _origin(metadata: Path) -> str | None:
    """Return the origin of a package as recorded by PEP 610, or None for packages that were installed from an index."""
    try:
        direct: dict[str, Any] = orjson.loads((metadata / "direct_url.json").read_bytes())
        commit = direct.get("vcs_info", {}).get("commit_id")
        editable = direct.get("dir_info", {}).get("editable")
        return redact_text(str(direct["url"])) + (f"@{commit}" if commit else "") + (" (editable)" if editable else "")
    except (OSError, ValueError, KeyError, AttributeError):
        return None
