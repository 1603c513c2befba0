"""Files next to event files that become artifacts of a run: traces of profilers, and files of the projector."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from runfolio.record.base.layout import slug
from runfolio.tensorboard.logdir_runs import PROJECTOR_CONFIG

_MOST_BYTES = 4 << 30
"""Maximum size of one artifact in bytes."""
_CONFIG_BYTES = 1 << 20
_PATHS = re.compile(r'(?:tensor_path|metadata_path|image_path)\s*:\s*(?:"([^"\n]*)"|\'([^\'\n]*)\')')


class LooseFiles(NamedTuple):
    """Files that form one artifact."""

    name: str
    kind: str
    files: list[str]
    """Paths relative to the folder of the run."""
    key: str
    """Identifier that changes with the content of the files."""


def loose_files(folder: Path, names: Sequence[str]) -> list[LooseFiles]:
    """Return the artifacts of a folder.

    Args:
        names: Files of profilers and the projector's configuration, relative to the folder.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for name in names:
        if name == PROJECTOR_CONFIG:
            groups["projector", "projector"] = [name, *_projector_files(folder)]
        elif "/" in name:  # plugins/profile/SESSION/FILE
            session = PurePosixPath(name).parts[-2]
            groups.setdefault((f"profile-{session}", "profiler"), []).append(name)
        else:
            groups.setdefault((name.partition(".pt.trace")[0], "profiler"), []).append(name)
    return [LooseFiles(name, kind, files, _key(folder, files)) for (name, kind), files in groups.items()]


def loose_name(prefix: str, found: LooseFiles) -> str:
    """Return the name of the artifact."""
    return slug(f"{prefix}{found.name}".replace("/", "-"))


def _projector_files(folder: Path) -> list[str]:
    """Return the files that the projector's configuration names. Files outside of the folder are left out."""
    try:
        with (folder / PROJECTOR_CONFIG).open("rb") as file:
            text = file.read(_CONFIG_BYTES).decode(errors="replace")
    except OSError:
        return []
    names = [first or second for first, second in _PATHS.findall(text)]
    root = os.path.realpath(folder)
    return sorted({name for name in names if _is_inside(folder / name, root)})


def _is_inside(path: Path, root: str) -> bool:
    try:
        return os.path.realpath(path).startswith(f"{root}{os.sep}") and path.is_file()
    except (OSError, ValueError):
        return False


def _key(folder: Path, names: Sequence[str]) -> str:
    parts = []
    for name in names:
        try:
            status = (folder / name).stat()
        except OSError:
            continue
        parts.append(f"{name}:{status.st_size}:{status.st_mtime_ns}")
    return " ".join(parts)


@contextmanager
def staged(folder: Path, found: LooseFiles) -> Iterator[Path]:
    """Yield a temporary folder that contains the files of an artifact.

    Raises:
        ValueError: The files are too large.
        OSError: A file cannot be read.
    """
    sizes = [(folder / name).stat().st_size for name in found.files]
    if sum(sizes) > _MOST_BYTES:
        raise ValueError(f"{sum(sizes):,} bytes, but the limit is {_MOST_BYTES:,}")
    with tempfile.TemporaryDirectory(prefix="runfolio-import-") as temporary:
        source = Path(temporary, "files")
        for name in found.files:
            flat = name if found.kind == "projector" else PurePosixPath(name).name
            target = source.joinpath(*(part for part in PurePosixPath(flat).parts if part not in ("/", "..", ".")))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, target)
        yield source
