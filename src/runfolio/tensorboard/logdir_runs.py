"""Runs in a TensorBoard log directory.

TensorBoard shows each folder with event files as a run. Here, folders that contain only a part of a run are folded into
the run of their parent folder:

- the folder of each line that torch's `add_scalars` draws (`Loss_train` with the tag `Loss`);
- the only folder that torch's `add_hparams` created in a run;
- `train`, `validation` and similar folders, which Keras and TensorFlow use for the splits of one run.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import orjson

from runfolio.errors import StoreError
from runfolio.events import messages as m
from runfolio.events.event_reader import read_events
from runfolio.record.base.layout import RUN_FILE
from runfolio.tensorboard.event_values import HPARAMS

_EVENT_FILE = "tfevents"
_TRACE = re.compile(r".*\.pt\.trace\.json(\.gz)?")
_PROFILES = ("plugins", "profile")
PROJECTOR_CONFIG = "projector_config.pbtxt"
_SPLITS = re.compile(r"train|training|val|valid|validation|test|dev|(evaluation|eval)(_\w+)?", re.IGNORECASE)
"""Names of folders that contain one split of a run."""
_MOST_LEVELS = 64
_HEAD_EVENTS = 20
"""Number of events at the start of a file that are read to decide whether its folder belongs to the run of another
folder."""

LINE, TRIAL, SPLIT = "line", "trial", "split"
"""Kinds of folders whose values are added to the run of a parent folder."""


@dataclass
class LogFolder:
    """Folder with event files."""

    path: Path
    name: str
    """Path relative to the log directory, with `/` as the separator. The path of the log directory itself is `.`."""
    files: list[str]
    """Names of the event files, sorted. TensorBoard reads them in this order."""
    traces: list[str] = field(default_factory=list)
    """Paths of profiler files, relative to the folder."""


class Part(NamedTuple):
    """Folder whose values belong to a run."""

    folder: LogFolder
    kind: str = ""
    """`LINE`, `TRIAL` or `SPLIT`, or an empty string for the main folder of the run."""
    tag: str = ""
    """Name of the chart, if the folder contains a line of a chart."""
    line: str = ""
    """Name of the line in the chart."""
    outer: str = ""
    """Prefix of the names of metrics and media, taken from the folders between the run and this folder."""
    own: str = ""
    """Prefix of the names of metrics and media, taken from this folder. This prefix follows `outer`."""

    @property
    def prefix(self) -> str:
        return f"{self.outer}{self.own}"


@dataclass
class LogdirRun:
    """Run in a log directory."""

    path: Path
    name: str
    """Name that TensorBoard shows: the path relative to the log directory."""
    parts: list[Part]


class LogdirScan(NamedTuple):
    runs: list[LogdirRun]
    skipped: list[str]
    """A sentence for each folder that was not searched."""


def scan_logdir(logdir: Path, folded_trials: AbstractSet[str] = frozenset()) -> LogdirScan:
    """Find the runs in a log directory.

    Hidden folders and links are followed, as in TensorBoard. A link to a folder that contains the link is not followed.

    Args:
        folded_trials: Names of folders that an earlier import added to the run of a parent folder, because each was the
            only trial of the run. They remain part of that run.
    """
    skipped: list[str] = []
    folders = {folder.name: folder for folder in _walk(logdir, ".", (), skipped)}
    parts = _fold(folders, folded_trials)
    runs = []
    for name, folder in folders.items():
        if name in parts:
            continue
        own = [part for child, (parent, part) in parts.items() if parent == name and child in folders]
        main = [Part(folder)] if folder.files or folder.traces or not own else []
        runs.append(LogdirRun(folder.path, name, [*main, *own]))
    without = sorted({parent for parent, _ in parts.values() if parent not in folders})
    for name in without:
        own = [part for parent, part in parts.values() if parent == name]
        runs.append(LogdirRun(own[0].folder.path.parent, name, own))
    return LogdirScan(sorted(runs, key=lambda run: run.name), skipped)


def _walk(folder: Path, name: str, above: tuple[str, ...], skipped: list[str]) -> Iterator[LogFolder]:
    real = os.path.realpath(folder)
    if real in above or len(above) > _MOST_LEVELS:
        skipped.append(f"{name} is a link to a folder that contains it")
        return
    if _is_runfolio_run(folder):
        skipped.append(f"{name} is a runfolio run; open it with --store instead")
        return
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry.is_dir()) for entry in entries)
    except OSError as error:
        skipped.append(f"{name} cannot be read ({error.strerror})")
        return
    files = [entry for entry, is_folder in found if not is_folder and _EVENT_FILE in entry]
    traces = [entry for entry, is_folder in found if not is_folder and _TRACE.fullmatch(entry)]
    traces += [entry for entry, is_folder in found if not is_folder and entry == PROJECTOR_CONFIG]
    subfolders = [entry for entry, is_folder in found if is_folder]
    if _PROFILES[0] in subfolders:
        subfolders.remove(_PROFILES[0])
        traces += _profiles(folder)
    if files or traces:
        yield LogFolder(folder, name, files, traces)
    for entry in subfolders:
        plain = plain_name(entry)
        yield from _walk(folder / entry, plain if name == "." else f"{name}/{plain}", (*above, real), skipped)


def plain_name(name: str) -> str:
    """Return the name of a file or folder as text. Bytes that are not UTF-8 are escaped."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _profiles(folder: Path) -> list[str]:
    """Return the files that TensorBoard's profiler stored, relative to the folder of the run."""
    root = folder.joinpath(*_PROFILES)
    try:
        return sorted(
            path.relative_to(folder).as_posix()
            for session in root.iterdir()
            if session.is_dir() and not session.is_symlink()
            for path in session.iterdir()
            if path.is_file() and not path.is_symlink()
        )
    except OSError:
        return []


def _is_runfolio_run(folder: Path) -> bool:
    try:
        with (folder / RUN_FILE).open("rb") as file:
            value = orjson.loads(file.read(64 << 20))
    except (OSError, orjson.JSONDecodeError):
        return False
    return isinstance(value, dict) and "runfolio" in value


def _fold(folders: dict[str, LogFolder], folded_trials: AbstractSet[str]) -> dict[str, tuple[str, Part]]:
    """Return the parent folder and the `Part` of each folder whose values are added to the run of a parent folder."""
    parts: dict[str, tuple[str, Part]] = {}
    trials: dict[str, list[str]] = {}
    for name, folder in folders.items():
        parent = _parent_run(name, folders)
        if folder.files and parent is not None:
            head = [event for file in folder.files[:3] for event in head_events(folder.path / file, _HEAD_EVENTS)]
            if (line := _line_of(name, parent, head)) is not None:
                parts[name] = parent, Part(folder, LINE, tag=line[0], line=line[1], own=f"{_relative(name, parent)}/")
                continue
            if _is_trial(head):
                trials.setdefault(parent, []).append(name)
                continue
        if not folder.files and folder.traces and parent is not None:
            parts[name] = parent, Part(folder, own=f"{_relative(name, parent)}/")
    for parent, names in trials.items():
        for name in names if len(names) == 1 else folded_trials & set(names):
            parts[name] = parent, Part(folders[name], TRIAL)
    for name in _splits(folders, parts):
        above, _, base = name.rpartition("/")
        parts[name] = above or ".", Part(folders[name], SPLIT, own=f"{base}/")
    return _resolved(parts)


def _splits(folders: dict[str, LogFolder], parts: dict[str, tuple[str, Part]]) -> Iterator[str]:
    """Yield the folders that contain one split of the run in their parent folder.

    A single folder such as `test` may also be a separate run with this name. It is a split only if the parent folder
    has event files. A folder `train` is also a split if it is the only run in the parent folder.
    """
    siblings: dict[str, list[str]] = {}
    for name in folders:
        if name != "." and name not in parts:
            siblings.setdefault(name.rpartition("/")[0] or ".", []).append(name)
    for parent, names in siblings.items():
        splits = [name for name in names if _is_split(name, folders, parts)]
        has_files = parent in folders and bool(folders[parent].files)
        is_training = len(names) == 1 and bool(splits) and splits[0].rpartition("/")[2].lower().startswith("train")
        if has_files or len(splits) > 1 or is_training:
            yield from splits


def _is_split(name: str, folders: dict[str, LogFolder], parts: dict[str, tuple[str, Part]]) -> bool:
    has_runs_below = any(other.startswith(f"{name}/") and other not in parts for other in folders)
    return _SPLITS.fullmatch(name.rpartition("/")[2]) is not None and not has_runs_below


def head_events(path: Path, count: int) -> list[m.Event]:
    """Return the first events of a file. A file that cannot be read has no events."""
    try:
        return list(itertools.islice(read_events(path, []), count))
    except StoreError:
        return []


def _resolved(parts: dict[str, tuple[str, Part]]) -> dict[str, tuple[str, Part]]:
    """Replace each parent that itself belongs to the run of another folder with that folder."""
    resolved = {}
    for name, (parent, part) in parts.items():
        while parent in parts:
            above, outer = parts[parent]
            part = part._replace(outer=f"{outer.prefix}{part.outer}")
            parent = above
        resolved[name] = parent, part
    return resolved


def _parent_run(name: str, folders: dict[str, LogFolder]) -> str | None:
    """Return the nearest parent folder that contains event files, or None if there is none."""
    while name != ".":
        name = name.rpartition("/")[0] or "."
        if name in folders and folders[name].files:
            return name
    return None


def _relative(name: str, parent: str) -> str:
    return name if parent == "." else name[len(parent) + 1 :]


def _line_of(name: str, parent: str, head: list[m.Event]) -> tuple[str, str] | None:
    """Return the chart and the name of the line, if a folder contains a line of `add_scalars`."""
    tags = {value.tag for event in head for value in (event.summary.value if event.summary else ())}
    if len(tags) != 1:
        return None
    tag = tags.pop()
    start = tag.replace("/", "_") + "_"
    relative = _relative(name, parent)
    return (tag, relative[len(start) :]) if relative.startswith(start) and relative != start else None


def _is_trial(head: list[m.Event]) -> bool:
    """Return whether a file was written by torch's `add_hparams`, which stores its own experiment and session."""
    values = itertools.chain.from_iterable(event.summary.value for event in head if event.summary)
    tags = {value.tag for value in values if value.plugin == HPARAMS}
    return {"_hparams_/experiment", "_hparams_/session_start_info"} <= tags
