"""Zips from strangers: unpacked whole into a folder of their own, or refused by the member that is wrong.

Nothing is written outside that folder whatever the members are called; links, devices and modes are not made; what
would fill the disk is refused before the first byte is written.
"""

from __future__ import annotations

import errno
import io
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runfolio.errors import DamagedFile, StoreError

if TYPE_CHECKING:
    from rich.progress import Progress

MAX_MEMBERS = 250_000
"""Files and folders."""
MAX_DEPTH = 64
"""Folders in one another."""
MAX_RATIO = 200
"""Bytes that a byte of the archive may become; photographs hardly shrink at all."""
SMALL_BYTES = 64 * 1024 * 1024
"""What unpacks to no more than this is harmless at any ratio."""

_MAX_DIRECTORY_BYTES = 128 * MAX_MEMBERS
_MEMBER_MARK = b"PK\x01\x02"
_CHUNK_BYTES = 1024 * 1024
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks the others without a limit on memory
_UNSAFE_LETTERS = re.compile(r"[\x00-\x1f\x7f\\]")


def extract(archive: Path, folder: Path, *, label: str | None = None, progress: Progress | None = None) -> None:
    """Unpack a zip into `folder`, which must not exist yet and is removed again where that fails.

    Args:
        label: What messages call the zip. Default: its path.
        progress: Gets a task for as long as it takes.

    Raises:
        DamagedFile: It is no whole zip, or no safe one; the message names the member and what is wrong with it.
        StoreError: The disk is full or cannot be written.
    """
    name = label or str(archive)
    with _translated_errors(name), _LimitedReader(archive, name) as file, zipfile.ZipFile(file) as zipped:
        members = zipped.infolist()
        folders = _check_names(name, members)
        _check_size(name, members, archive.stat().st_size, folder.parent)
        try:
            folder.mkdir()
            for path in folders:
                (folder / path).mkdir()
            for member in _counted(members, name, progress):
                _write(zipped, member, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


class _LimitedReader(io.BufferedReader):
    """Refuses to hand zipfile a directory so long that the list of its members would fill the memory."""

    def __init__(self, archive: Path, called: str) -> None:
        super().__init__(io.FileIO(archive))
        self._called = called

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_DIRECTORY_BYTES:
            raise _too_many(self._called)
        content = super().read(size)
        if content.count(_MEMBER_MARK) > MAX_MEMBERS:
            raise _too_many(self._called)
        return content


def _too_many(name: str) -> DamagedFile:
    return DamagedFile(
        f"{name} lists more members than can be safe (at most {MAX_MEMBERS:,} files and folders);"
        " if you trust it, unpack it by hand, and name the folder as folder:PATH"
    )


@contextmanager
def _translated_errors(name: str) -> Iterator[None]:
    """What zipfile raises on damaged bytes, as one of our errors."""
    try:
        yield
    except FileExistsError as error:
        raise DamagedFile(f"{name} names {error.filename} twice; it is damaged or hostile") from None
    except OSError as error:
        if error.filename is None and error.errno == errno.EINVAL:  # a seek to where an offset in the zip points
            raise DamagedFile(f"{name} is not a whole zip (an offset leads nowhere); get it anew") from None
        if error.errno in (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL):
            raise DamagedFile(f"{name} holds a name that no file can have: {str(error.filename)[:80]!r}") from None
        raise StoreError(f"cannot unpack {name}: {error.strerror}; check the disk, or set RUNFOLIO_CACHE") from None
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        IndexError,
        NotImplementedError,
        OverflowError,
        RuntimeError,
        ValueError,
    ) as error:
        raise DamagedFile(f"{name} is not a whole zip ({_first_line(error)}); get it anew") from None


def _check_names(name: str, members: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Check where the members would be written; return the folders that they need, outer ones first."""
    files: set[str] = set()
    folders: dict[str, None] = {}
    for member in members:
        if wrong := _reason_unsafe(member):
            raise DamagedFile(f"{name} is not safe to unpack: member {member.orig_filename[:200]!r} {wrong}")
        parts = _parts(member)
        if not member.is_dir():
            path = "/".join(parts)
            if path in files:
                raise DamagedFile(f"{name} is not safe to unpack: member {path[:200]!r} is there twice")
            files.add(path)
        folders.update(dict.fromkeys(_missing_folders(parts if member.is_dir() else parts[:-1], folders)))
        if len(files) + len(folders) > MAX_MEMBERS:
            raise _too_many(name)
    if both := files & folders.keys():
        raise DamagedFile(f"{name} is not safe to unpack: member {min(both)[:200]!r} is a file and a folder")
    return list(folders)


def _parts(member: zipfile.ZipInfo) -> list[str]:
    return [part for part in member.filename.split("/") if part not in ("", ".")]


def _missing_folders(parts: Sequence[str], known: Container[str]) -> list[str]:
    """Return the folders on the way to one that are not known yet, outer ones first."""
    missing: list[str] = []
    for count in range(len(parts), 0, -1):
        if (path := "/".join(parts[:count])) in known:
            break
        missing.append(path)
    return missing[::-1]


def _reason_unsafe(member: zipfile.ZipInfo) -> str:
    """Why this member cannot be unpacked, as half a sentence; empty where it can."""
    name = member.orig_filename  # zipfile cuts `filename` at a NUL
    kind = stat.S_IFMT(member.external_attr >> 16)
    checks = {
        "has a backslash or a control character in its name": _UNSAFE_LETTERS.search(name),
        "would be written outside the folder": name.startswith("/") or ".." in name.split("/"),
        "names a drive": re.match(r"[A-Za-z]:", name),
        "has no name": not name.strip("/."),
        f"is in more than {MAX_DEPTH} folders": name.count("/") > MAX_DEPTH,
        "is a link": kind == stat.S_IFLNK,
        "is neither a file nor a folder": kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK),
        "is encrypted": member.flag_bits & _ENCRYPTED,
        "is packed in a way other than deflate": member.compress_type not in _METHODS,
    }
    return next((reason for reason, wrong in checks.items() if wrong), "")


def _check_size(name: str, members: Sequence[zipfile.ZipInfo], packed: int, disk: Path) -> None:
    unpacked = sum(member.file_size for member in members)  # zipfile never writes more than a member declares
    if unpacked > SMALL_BYTES and unpacked > packed * MAX_RATIO:
        largest = max(members, key=lambda member: member.file_size)
        raise DamagedFile(
            f"{name} is not safe to unpack: its {packed:,} bytes would become {unpacked:,}, "
            f"most of them in member {largest.filename[:200]!r}"
        )
    free = shutil.disk_usage(disk).free
    if unpacked > free // 2:
        raise StoreError(
            f"{name} unpacks to {unpacked:,} bytes, more than half of the {free:,} that are free in {disk}; "
            "free some, or set RUNFOLIO_CACHE to a folder on a larger disk"
        )


def _counted(members: Sequence[zipfile.ZipInfo], name: str, progress: Progress | None) -> Iterator[zipfile.ZipInfo]:
    if progress is None:
        yield from members
        return
    task = progress.add_task(f"unpacking {name}", total=len(members))
    try:
        for member in members:
            yield member
            progress.advance(task)
    finally:
        progress.remove_task(task)


def _write(zipped: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    if member.is_dir():
        return
    path = folder.joinpath(*_parts(member))
    with zipped.open(member) as source, path.open("xb") as file:
        shutil.copyfileobj(source, file, _CHUNK_BYTES)
    if path.stat().st_size != member.file_size:
        raise zipfile.BadZipFile(f"member {member.filename!r} is shorter than declared")


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
