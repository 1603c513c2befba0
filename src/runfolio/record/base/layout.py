"""Names and paths of stores, run folders, and the files of a run."""

from __future__ import annotations

import os
import re
import secrets
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from runfolio.errors import StoreError
from runfolio.record.base.file_names import is_allowed, is_reserved
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.start_folder import start_folder

FORMAT = 0
"""Version of the record format that this program writes, and the newest version that it can read."""

STORE_VARIABLE = "RUNFOLIO_STORE"
RUN_ID_VARIABLE = "RUNFOLIO_RUN_ID"
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
PRUNED = ".pruned"
NAMES = ".names"
CONSOLE = "console"
DATA = "data"
DAMAGED = "damaged"
CHARTS = "charts"
ANSWERS = "answers"

_EVENT_FILES = "events.out.tfevents."
_ID_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 8
_SLUG_LENGTH, _SLUG_BYTES = 80, 120


def expand_home(path: str | os.PathLike[str]) -> Path:
    """Replace `~` with the home folder. Shells do not expand `~` in variables, in YAML files and in
    `--store=~/runs`."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises an error if there is no home folder


def store_folder(store: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of a store. None selects `$RUNFOLIO_STORE`, or else `./runs`."""
    return start_folder() / expand_home(store if store is not None else os.environ.get(STORE_VARIABLE) or "runs")


def make_store(store: Path) -> None:
    """Create the folder of a store, with a `.gitignore` that excludes its content. An existing folder is not changed.

    Raises:
        OSError: The folder cannot be created.
    """
    if not store.exists():
        store.mkdir(parents=True, exist_ok=True)
        (store / ".gitignore").write_text("*\n", encoding="ascii")


def new_id() -> str:
    """Return a random id for a run or a writer: eight characters of 0-9a-z (41 bits)."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))


def slug(text: str) -> str:
    """Convert `text` to a safe file name, which is never empty or hidden.

    The name contains letters and digits of any script, `.`, `_` and `-`. It has at most 80 characters and 120 bytes.
    Common file systems accept such a name even with an id at its end. Letters are in composed form (NFC),
    because file systems treat decomposed letters differently.
    """
    safe = (char if is_allowed(char) else " " for char in unicodedata.normalize("NFC", text))
    name = re.sub(r" +", "-", "".join(safe)).strip(".-")[:_SLUG_LENGTH]
    name = name.encode()[:_SLUG_BYTES].decode(errors="ignore") or "unnamed"
    return f"{name}_" if is_reserved(name) else name


def run_folder(store: Path, experiment: str, name: str, run_id: str) -> Path:
    return store / slug(experiment) / f"{slug(name)}-{run_id}"


def tail_path(folder: Path, writer: str, number: int) -> RecordPath:
    return RecordPath(folder, METRICS) / f"tail-{writer}-{number}.jsonl"


def segment_path(folder: Path, writer: str, number: int) -> RecordPath:
    return RecordPath(folder, METRICS) / f"segment-{writer}-{number}.parquet"


def answers_path(folder: Path, split: str, attempt: int, writer: str | None = None) -> RecordPath:
    """Return the path of an answer file, which contains the answers of a model for the items of a split.

    Args:
        writer: Id of the process that writes the file, or None if this process started or resumed the run.
    """
    return RecordPath(folder, ANSWERS) / f"{split}-{attempt}{f'.{writer}' if writer else ''}.parquet"


def event_file(folder: Path, writer: str, started_s: int, host: str, pid: int) -> RecordPath:
    """Return the TensorBoard event file of one writer, a process that writes to the run.

    TensorBoard reads the files of a run in the order of their names. Therefore, `started_s` must increase from file to
    file.
    """
    return RecordPath(folder) / f"{_EVENT_FILES}{started_s:010d}.{slug(host)}.{pid}.{writer}"


def event_files(folder: Path) -> dict[str, RecordPath]:
    """Return the event files of a run, by the id of the process that wrote them. They are sorted in the order in which
    TensorBoard reads them."""
    paths = [path for path in RecordPath(folder).entries() if path.name.startswith(_EVENT_FILES)]
    return {event_writer(path): path for path in paths}


def event_writer(path: RecordPath) -> str:
    """Return the writer id that is part of the name of a TensorBoard event file."""
    return path.name.rpartition(".")[2]


def next_event_second(folder: Path, now_s: float) -> int:
    """Return the argument `started_s` of `event_file` for a new event file.

    The value is larger than the `started_s` of every existing event file of the run.
    """
    starts = (path.name.removeprefix(_EVENT_FILES).partition(".")[0] for path in event_files(folder).values())
    return max([int(now_s), *(int(start) + 1 for start in starts if start.isdecimal())])


def find_pruned(folder: Path) -> tuple[str, list[Path]]:
    """Find the pruned checkpoints of a run in the trash of its store.

    The store is one of the parent folders of `folder`.

    Returns:
        The folder of the run relative to the store, and the folders with pruned checkpoints, newest first.
    """
    for store in folder.parents:
        if (pruned := store / TRASH / PRUNED).is_dir():
            run_path = folder.relative_to(store)
            return run_path.as_posix(), pruned_parts(pruned / run_path)
    return "", []


def pruned_parts(pruned: Path) -> list[Path]:
    """Return the folders in `pruned`, newest first.

    Each folder contains the checkpoints that were pruned (moved into the trash) at one time.
    """
    try:
        parts = [path for path in pruned.iterdir() if not path.is_symlink() and (path / CHECKPOINTS).is_dir()]
        return sorted(parts, key=lambda path: path.lstat().st_mtime_ns, reverse=True)
    except OSError:
        return []


def find_runs(store: Path) -> Iterator[Path]:
    """Yield every folder of the store that contains a `run.json`, in no particular order. Hidden folders are skipped.

    Folders that disappear in the meantime or cannot be listed are skipped. Links that lead out of the store are skipped
    too.
    """
    return (Path(folder) for folder, *_ in find_run_files(store))


def find_run_files(store: Path) -> Iterator[tuple[str, os.stat_result, os.stat_result]]:
    """Yield each folder that `find_runs` yields.

    Also yield the status of the folder and the status of its `run.json`.
    """
    real_store = os.path.realpath(store)
    pending = [str(store)]
    visited: set[tuple[int, int]] = set()
    while pending:
        folder = pending.pop()
        try:
            folder_status = os.stat(folder)  # noqa: PTH116 - a store holds thousands of runs, and Path is 3x slower
        except OSError:
            continue
        if (inode := (folder_status.st_dev, folder_status.st_ino)) in visited:
            continue  # a link to a parent folder would be followed forever
        visited.add(inode)
        if (run_status := _run_file_status(folder)) is not None:
            yield folder, folder_status, run_status
            continue
        try:
            with os.scandir(folder) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError:
            continue
        pending.extend(entry.path for entry in visible if _is_searched(entry, real_store))


def _is_searched(entry: os.DirEntry[str], real_store: str) -> bool:
    if not entry.is_symlink():
        return entry.is_dir()
    return leads_into(entry.path, real_store) and entry.is_dir()


def leads_into(link: str | Path, real_store: str) -> bool:
    """Return whether a path leads into the folder `real_store` after its links are resolved.

    The path `real_store` itself must not contain links.
    """
    return os.path.realpath(link).startswith(f"{real_store}{os.sep}")


def runs_of_experiment(store: Path, experiment: str) -> Iterator[Path]:
    """Yield the run folders of an experiment in no particular order. Links that lead out of the store are skipped."""
    folder, real_store = store / slug(experiment), os.path.realpath(store)
    return (path for path in folder.glob("*") if _run_file_status(str(path)) and leads_into(path, real_store))


def make_experiment_folder(store: Path, experiment: str) -> Path:
    """Create the folder of an experiment if it is missing, and return it.

    Raises:
        StoreError: The folder is a link that leads out of the store.
        OSError: The folder cannot be created.
    """
    folder = store / slug(experiment)
    folder.mkdir(parents=True, exist_ok=True)
    if not leads_into(folder, os.path.realpath(store)):
        raise StoreError(f"{folder} is a link that leads out of the store; remove it, or name another experiment")
    return folder


def _run_file_status(folder: str) -> os.stat_result | None:
    """Return the status of the `run.json` in a folder, or None if it is missing or is itself a folder.

    The status of a link or a device is also returned, because readers report such a `run.json` as unusable.
    """
    try:
        status = os.lstat(f"{folder}/{RUN_FILE}")
    except OSError:
        return None
    return None if stat.S_ISDIR(status.st_mode) else status
