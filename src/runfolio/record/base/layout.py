"""Names and places: where a store is, which folders are runs, what the files of a run are called."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from runfolio.record.base.start_folder import start_folder

FORMAT = 0
"""The version of the format this program writes, and the newest it reads."""

STORE_VARIABLE = "RUNFOLIO_STORE"
RUN_FILE = "run.json"
ALIVE = "alive"
CLAIMS = "claims"
METRICS = "metrics"
MEDIA = "media"
MEDIA_FILES = "files"
CHECKPOINTS = "checkpoints"
ARTIFACTS = "artifacts"
CODE = "code"
CODE_FILES = "files"
NOTES = "notes"
TRASH = ".trash"
NAMES = ".names"
CONSOLE = "console"
DATA = "data"
DAMAGED = "damaged"
CHARTS = "charts"

_EVENT_FILES = "events.out.tfevents."
_ID_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 8
_SLUG_LENGTH, _SLUG_BYTES = 80, 120


def expand_home(path: str | os.PathLike[str]) -> Path:
    """Return the path with `~` replaced by the home folder; shells do not in variables, YAML and `--store=~/runs`."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises if there is no home


def store_folder(store: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of a store; None is `$RUNFOLIO_STORE`, else `./runs`."""
    return start_folder() / expand_home(store if store is not None else os.environ.get(STORE_VARIABLE) or "runs")


def make_store(store: Path) -> None:
    """Make the folder of a store, which git ignores; one that exists stays as it is.

    Raises:
        OSError: It cannot be made.
    """
    if not store.exists():
        store.mkdir(parents=True, exist_ok=True)
        (store / ".gitignore").write_text("*\n", encoding="ascii")


def new_id() -> str:
    """Eight random characters of 0-9a-z (41 bits): the id of a run or a writer."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))


def slug(text: str) -> str:
    """Return `text` as one safe file name: letters and digits of any script, `.`, `_`, `-`; never empty or hidden.

    It has at most 80 characters and 120 bytes, so that an id fits after it on every usual file system. Letters are in
    composed form (NFC): file systems disagree about the other one.
    """
    safe = (
        char if char in "._-" or unicodedata.category(char)[0] in "LMN" else " "
        for char in unicodedata.normalize("NFC", text)
    )
    name = re.sub(r" +", "-", "".join(safe)).strip(".-")[:_SLUG_LENGTH]
    return name.encode()[:_SLUG_BYTES].decode(errors="ignore") or "unnamed"


def run_folder(store: Path, experiment: str, name: str, run_id: str) -> Path:
    return store / slug(experiment) / f"{slug(name)}-{run_id}"


def tail_path(folder: Path, writer: str, number: int) -> Path:
    return folder / METRICS / f"tail-{writer}-{number}.jsonl"


def segment_path(folder: Path, writer: str, number: int) -> Path:
    return folder / METRICS / f"segment-{writer}-{number}.parquet"


def event_file(folder: Path, writer: str, started_s: int, host: str, pid: int) -> Path:
    """The event file of one writer; TensorBoard reads a run's in the order of their names, so `started_s` must grow."""
    return folder / f"{_EVENT_FILES}{started_s:010d}.{slug(host)}.{pid}.{writer}"


def event_files(folder: Path) -> dict[str, Path]:
    """The event files of a run by writer, in TensorBoard's order."""
    return {event_writer(path): path for path in sorted(folder.glob(f"{_EVENT_FILES}*"))}


def event_writer(path: Path) -> str:
    """Return the writer of an event file."""
    return path.name.rpartition(".")[2]


def line_folder(folder: Path, chart: str, line: str) -> Path:
    """Return the folder of the event files of one line of a chart, which TensorBoard shows as a run."""
    name = f"{chart}_{line}".replace("/", "_")  # as torch's SummaryWriter names it
    safe = slug(name)
    digest = "" if safe == name else f"-{hashlib.blake2b(name.encode(errors='replace'), digest_size=4).hexdigest()}"
    return folder / CHARTS / f"{safe}{digest}"


def line_event_files(folder: Path) -> list[Path]:
    """Return the event files of all lines of charts of a run."""
    return sorted(folder.glob(f"{CHARTS}/*/{_EVENT_FILES}*"))


def next_event_second(folder: Path, now_s: float) -> int:
    """The `started_s` of an event file that is begun now: behind those that are there, however short ago they began."""
    starts = (path.name.removeprefix(_EVENT_FILES).partition(".")[0] for path in event_files(folder).values())
    return max([int(now_s), *(int(start) + 1 for start in starts if start.isdecimal())])


def find_runs(store: Path) -> Iterator[Path]:
    """Every folder of the store that holds a `run.json`, in no particular order; hidden folders are not searched.

    A folder that vanishes or cannot be listed meanwhile is passed over.
    """
    pending = [str(store)]
    visited: set[tuple[int, int]] = set()
    while pending:
        folder = pending.pop()
        if _was_visited(folder, visited):  # a link to a folder above would be followed for ever
            continue
        if os.path.isfile(f"{folder}/{RUN_FILE}"):  # noqa: PTH113 - a store holds thousands; Path costs 3x
            yield Path(folder)
            continue
        try:
            with os.scandir(folder) as entries:
                pending.extend(entry.path for entry in entries if not entry.name.startswith(".") and entry.is_dir())
        except OSError:
            continue


def _was_visited(folder: str, visited: set[tuple[int, int]]) -> bool:
    try:
        status = os.stat(folder)  # noqa: PTH116 - as above
    except OSError:
        return True
    identity = (status.st_dev, status.st_ino)
    if identity in visited:
        return True
    visited.add(identity)
    return False
