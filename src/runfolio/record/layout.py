"""Names and places: where a store is, which folders are runs, what the files of a run are called."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

FORMAT = 0
"""The version of the format this program writes, and the newest it reads."""

RUN_FILE = "run.json"
ALIVE = "alive"
METRICS = "metrics"
MEDIA = "media"
MEDIA_FILES = "files"
CHECKPOINTS = "checkpoints"
ARTIFACTS = "artifacts"
NOTES = "notes"
TRASH = ".trash"

_ID_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 8
_SLUG_LENGTH = 80


def default_store() -> Path:
    """`$RUNFOLIO_STORE`, else `./runs`."""
    return Path(os.environ.get("RUNFOLIO_STORE") or "runs")


def new_id() -> str:
    """Eight random characters of 0-9a-z (41 bits): the id of a run or a writer."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))


def slug(text: str) -> str:
    """`text` as one safe file name: letters, digits, `.`, `_`, `-`; never empty, hidden or longer than 80."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")[:_SLUG_LENGTH] or "unnamed"


def run_folder(store: Path, experiment: str, name: str, run_id: str) -> Path:
    return store / slug(experiment) / f"{slug(name)}-{run_id}"


def tail_path(folder: Path, writer: str, number: int) -> Path:
    return folder / METRICS / f"tail-{writer}-{number}.jsonl"


def segment_path(folder: Path, writer: str, number: int) -> Path:
    return folder / METRICS / f"segment-{writer}-{number}.parquet"


def find_runs(store: Path) -> Iterator[Path]:
    """Every folder of the store that holds a `run.json`, in no particular order; hidden folders are not searched.

    A folder that vanishes or cannot be listed meanwhile is passed over.
    """
    pending = [str(store)]
    seen: set[tuple[int, int]] = set()
    while pending:
        folder = pending.pop()
        if _was_seen(folder, seen):  # a link to a folder above would be followed for ever
            continue
        if os.path.isfile(f"{folder}/{RUN_FILE}"):  # noqa: PTH113 - a store holds thousands; Path costs 3x
            yield Path(folder)
            continue
        try:
            with os.scandir(folder) as entries:
                pending.extend(entry.path for entry in entries if not entry.name.startswith(".") and entry.is_dir())
        except OSError:
            continue


def _was_seen(folder: str, seen: set[tuple[int, int]]) -> bool:
    try:
        status = os.stat(folder)  # noqa: PTH116 - as above
    except OSError:
        return True
    known = (status.st_dev, status.st_ino)
    if known in seen:
        return True
    seen.add(known)
    return False
