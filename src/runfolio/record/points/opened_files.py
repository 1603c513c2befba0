"""Files with the points of one run, opened together: tails (newest points, JSON lines) and segments (Parquet files)."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from runfolio.errors import DamagedFile, NewerFormat, StoreError
from runfolio.record.base.record_path import RecordPath, UnusableFile
from runfolio.record.points.segment_files import Segment
from runfolio.record.points.tail_columns import CallColumns, Tail

T = TypeVar("T")
_LIST_ATTEMPTS = 5
"""Maximum number of attempts to list and open the files. An attempt fails if a file is deleted after it was listed."""


@dataclass
class OpenedFiles:
    """Segments (Parquet files) and tails (text files) of one run, and a message for each part that cannot be read."""

    segments: list[Segment] = field(default_factory=list)
    tails: list[tuple[Tail, list[CallColumns]]] = field(default_factory=list)
    """Tails (text files with the newest points), each with its decoded lines."""
    problems: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, folder: RecordPath) -> OpenedFiles:
        """Open all files in the folder `metrics` of a run.

        Raises:
            StoreError: The folder cannot be listed, or its files keep changing.
        """
        try:
            paths = list_files(folder)
        except UnusableFile as error:
            return cls(problems=[str(error)])
        for _ in range(_LIST_ATTEMPTS):
            try:
                files = cls._open_listed(folder, paths)
            except FileNotFoundError:
                paths = list_files(folder)
                continue
            # Listing a folder is not atomic. If a file is replaced during the listing, both the file and its
            # replacement may be missing. Files that only a second listing shows are therefore opened too.
            before, paths = paths, list_files(folder)
            if set(paths) <= set(before):
                return files
        raise StoreError(f"the files of {folder} keep changing; try again")

    @classmethod
    def _open_listed(cls, folder: RecordPath, paths: list[RecordPath]) -> OpenedFiles:
        files = cls()
        # Tails are opened first. If a tail was converted to a segment and deleted after the listing, FileNotFoundError
        # is raised.
        files.tails = files._load(filter(is_tail, paths), _load_tail)
        files.segments = files._load(filter(is_segment, paths), Segment.open)
        for tail, _ in files.tails:
            if tail.damaged:
                files.problems.append(f"{folder}: {tail.damaged} damaged line(s) in a tail of {tail.writer}")
        return files

    def _load(self, paths: Iterable[RecordPath], load: Callable[[RecordPath], T | None]) -> list[T]:
        loaded: list[T] = []
        for path in paths:
            try:
                file = load(path)
            except (DamagedFile, NewerFormat) as error:
                self.problems.append(str(error))
            except FileNotFoundError:
                raise
            except OSError as error:
                if error.errno == errno.ESTALE:  # a network disk reports this error for a deleted file
                    raise FileNotFoundError(str(path)) from None
                self.problems.append(f"cannot read {path}: {error.strerror}")
            else:
                loaded += [] if file is None else [file]
        return loaded


def is_tail(path: RecordPath) -> bool:
    """Return whether a file is a tail (text file with the newest points) according to its name."""
    return path.name.startswith("tail-") and path.name.endswith(".jsonl")


def is_segment(path: RecordPath) -> bool:
    """Return whether a file is a segment (Parquet file of points) according to its name."""
    return path.name.startswith("segment-") and path.name.endswith(".parquet")


def list_files(folder: RecordPath) -> list[RecordPath]:
    """Return the sorted entries of a folder. The list is empty if the folder does not exist.

    Raises:
        StoreError: The folder cannot be listed.
        UnusableFile: The folder is a link or a file.
    """
    try:
        return folder.entries()
    except UnusableFile:
        raise
    except OSError as error:
        raise StoreError(f"cannot list {folder}: {error.strerror}") from None


def _load_tail(path: RecordPath) -> tuple[Tail, list[CallColumns]] | None:
    tail = Tail.open(path)
    return None if tail is None else (tail, list(tail.slices()))
