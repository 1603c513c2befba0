"""Spool: storage of a writer's points and media on a local disk while the store cannot be written to.

A spool is a folder in the user's cache with the layout of a run folder (`docs/format.md`, Spool). The run folder has no
files with the same names, so each file can be copied to the run folder without renaming it. Readers return a log call
only once even if it is stored twice. Readers identify a call by its writer and its sequence number (seq).
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from runfolio.errors import RunfolioError
from runfolio.record.base import files
from runfolio.record.base.append_file import AppendFile
from runfolio.record.base.cache_folder import cache_folder, create_folder
from runfolio.record.base.file_names import writer_id
from runfolio.record.base.layout import FORMAT, MEDIA, MEDIA_FILES, METRICS, tail_path
from runfolio.record.base.record_path import RecordPath
from runfolio.record.content import media
from runfolio.record.points import tails

_ABOUT = "spool.json"


class Spool:
    """Points and media that a writer (process) stores on the local disk during one outage of the store.

    The first write creates the folder of the spool.
    """

    def __init__(
        self, run_folder: Path, run_id: str, writer: str, attempt: int, numbers: Iterator[int], most_bytes: int
    ) -> None:
        """Prepare a spool.

        Args:
            numbers: Unused numbers for the names of the writer's new files.
            most_bytes: Maximum size of the spool on the local disk.
        """
        cache = cache_folder()
        self.folder = cache / "spool" / f"{run_id}-{writer}-{next(numbers)}" if cache is not None else None
        """Folder of the spool, or None if there is no cache folder."""
        self._run_folder = run_folder
        self._run_id = run_id
        self._writer = writer
        self._header = tails.header(writer, attempt)
        self._numbers = numbers
        self._most_bytes = most_bytes
        self._bytes = 0
        self._points: AppendFile | None = None
        self._media: AppendFile | None = None

    def write_points(self, lines: bytes) -> None:
        """Append complete lines to a tail, which is a file with the newest points.

        Raises:
            OSError: Not all of the lines were written.
        """
        folder = self._make_room(len(lines))
        if self._points is None:
            self._points = AppendFile(tail_path(folder, self._writer, next(self._numbers)), self._header)
        self._append(self._points, lines)

    def write_medium(self, line: bytes, media_files: Mapping[str, bytes]) -> None:
        """Append a line to the media list of this writer, and store the media files of this line.

        `media_files` contains the content of each file by name.

        Raises:
            OSError: The line or a file was not completely written.
        """
        folder = self._make_room(len(line) + sum(map(len, media_files.values())))
        for name, content in media_files.items():
            media.file_path(folder, name).write_bytes(content)
            self._bytes += len(content)
        if self._media is None:
            number = next(self._numbers) + 1  # the media list in the run folder has the number 1
            self._media = AppendFile(media.index_path(folder, self._writer, number), self._header)
        self._append(self._media, line)

    def close(self) -> None:
        """Close the files. Later writes create new files.

        Raises:
            OSError: An earlier write failed, but the disk reports the failure only now.
        """
        points, spooled_media = self._points, self._media
        self._points = self._media = None
        for opened in (points, spooled_media):
            if opened is not None:
                opened.close(sync=False)

    def discard(self) -> None:
        """Remove the spool after its first write failed. The caller keeps the data."""
        with contextlib.suppress(OSError):
            self.close()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def bring_back(self) -> None:
        """Move all files to the run folder. Do not write to the spool afterwards.

        Raises:
            OSError: Some files could not be moved and are still in the spool.
        """
        if self.folder is not None and self.folder.exists():
            bring_back(StoredSpool(self.folder, self._run_folder, self._run_id, self._writer))

    def _append(self, file: AppendFile, data: bytes) -> None:
        try:
            file.write(data)
        except OSError:
            # The file may end in an incomplete line, which readers skip. The data is written again to a new file.
            with contextlib.suppress(OSError):
                self.close()
                if file.size <= len(self._header):  # on a full disk, each failed write would leave an empty file
                    file.path.unlink(missing_ok=True)
            raise
        self._bytes += len(data)

    def _make_room(self, size: int) -> Path:
        if self.folder is None:
            raise OSError(errno.ENOENT, "there is no cache folder for a spool")
        if self._bytes + size > self._most_bytes:
            raise OSError(errno.EDQUOT, f"the spool has reached its limit of {self._most_bytes / 1e6:,.0f} MB")
        if not (self.folder / _ABOUT).exists():
            for name in (METRICS, f"{MEDIA}/{MEDIA_FILES}"):
                create_folder(self.folder / name)
            about = {"run": self._run_id, "writer": self._writer, "folder": os.fspath(self._run_folder)}
            files.write_json(RecordPath(self.folder, _ABOUT), {"runfolio": FORMAT, **about})
        return self.folder


@dataclass(frozen=True)
class StoredSpool:
    """Spool that exists on this machine. The fields identify the run and the process that recorded the data."""

    folder: Path
    run_folder: Path
    run_id: str
    writer: str


def find_spools() -> Iterator[StoredSpool]:
    """Yield every spool (folder with points of an unavailable store) of this user on this machine. Invalid folders are
    skipped."""
    cache = cache_folder()
    if cache is None or not (cache / "spool").is_dir():
        return
    for folder in sorted((cache / "spool").iterdir()):
        try:
            about = files.read_json(RecordPath(folder, _ABOUT))
            yield StoredSpool(folder, Path(about["folder"]), str(about["run"]), writer_id(about["writer"]))
        except (RunfolioError, OSError, KeyError, TypeError, ValueError):
            continue


def spools_of(folder: Path) -> list[StoredSpool]:
    """Return the spools (folders with data of an unavailable store) of a run on this machine.

    If the run was moved, its spools are found by their run id, which the folder name of the run contains.
    """
    spools = list(find_spools())
    matching = [spool for spool in spools if spool.run_folder.resolve() == folder.resolve()]
    moved = [spool for spool in spools if folder.name.endswith(f"-{spool.run_id}") and not spool.run_folder.exists()]
    return [replace(spool, run_folder=folder) for spool in (*matching, *moved)]


def bring_back(spool: StoredSpool) -> int:
    """Move the files of a spool to its run folder, and return the total size of the files in bytes. No process may
    write to the spool.

    A file is removed from the spool only after it is in the run folder. If the process is killed, the next call moves
    the remaining files.

    Raises:
        OSError: Some files could not be moved and are still in the spool.
    """
    moved = 0
    # Media files are moved first, so that no line refers to a missing file.
    for parts in ((MEDIA, MEDIA_FILES), (MEDIA,), (METRICS,)):
        for source in RecordPath(spool.folder, *parts).entries():
            if stat.S_ISREG(source.status().st_mode):
                moved += source.status().st_size
                source.copy(RecordPath(spool.run_folder, *source.parts))
                source.unlink()
    shutil.rmtree(spool.folder, ignore_errors=True)
    return moved
