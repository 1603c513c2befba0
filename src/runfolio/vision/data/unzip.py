"""Safe unpacking of untrusted zip files.

Nothing is written outside the target folder, regardless of member names. Links and devices are refused, and file modes
are ignored. A zip that would fill the disk is refused before anything is written.
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
"""Maximum number of files and folders in a zip."""
MAX_DEPTH = 64
"""Maximum depth of nested folders."""
MAX_RATIO = 200
"""Maximum compression ratio. Photographs can hardly be compressed."""
SMALL_BYTES = 64 * 1024 * 1024
"""Maximum unpacked size, in bytes, of zips that may have any compression ratio."""

_MAX_DIRECTORY_BYTES = 128 * MAX_MEMBERS
_MEMBER_MARK = b"PK\x01\x02"
_CHUNK_BYTES = 1024 * 1024
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks other methods without a memory limit
_UNSAFE_LETTERS = re.compile(r"[\x00-\x1f\x7f\\]")


def extract(archive: Path, folder: Path, *, label: str | None = None, progress: Progress | None = None) -> None:
    """Unpack a zip into a new folder. If unpacking fails, the folder is removed.

    Args:
        archive: Path of the zip.
        folder: Folder to create.
        label: Name of the zip in messages. The default is its path.
        progress: Progress display for unpacking.

    Raises:
        DamagedFile: The zip is damaged or unsafe; the message names the member and its problem.
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
            for member in _with_progress(members, name, progress):
                _write(zipped, member, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


class _LimitedReader(io.BufferedReader):
    """Reader that refuses a zip directory whose members would fill the memory."""

    def __init__(self, archive: Path, label: str) -> None:
        super().__init__(io.FileIO(archive))
        self._label = label

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_DIRECTORY_BYTES:
            raise _too_many(self._label)
        content = super().read(size)
        if content.count(_MEMBER_MARK) > MAX_MEMBERS:
            raise _too_many(self._label)
        return content


def _too_many(name: str) -> DamagedFile:
    return DamagedFile(
        f"{name} has more than {MAX_MEMBERS:,} files and folders, which may be unsafe;"
        " if you trust it, unpack it by hand and use folder:PATH"
    )


@contextmanager
def _translated_errors(name: str) -> Iterator[None]:
    """Translate the errors that zipfile raises on damaged files."""
    try:
        yield
    except FileExistsError as error:
        raise DamagedFile(f"{name} names {error.filename} twice; it is damaged or hostile") from None
    except OSError as error:
        if error.filename is None and error.errno == errno.EINVAL:  # an offset in the file is invalid
            raise DamagedFile(f"{name} is damaged (an offset is invalid); download it again") from None
        if error.errno in (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL):
            raise DamagedFile(f"{name} has an invalid file name: {str(error.filename)[:80]!r}") from None
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
        raise DamagedFile(f"{name} is damaged ({_first_line(error)}); download it again") from None


def _check_names(name: str, members: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Check the paths of the members, and return the required folders, outer folders first."""
    files: set[str] = set()
    folders: dict[str, None] = {}
    for member in members:
        if wrong := _reason_unsafe(member):
            raise DamagedFile(f"{name} is not safe to unpack: member {member.orig_filename[:200]!r} {wrong}")
        parts = _parts(member)
        if not member.is_dir():
            path = "/".join(parts)
            if path in files:
                raise DamagedFile(f"{name} is not safe to unpack: member {path[:200]!r} occurs twice")
            files.add(path)
        folders.update(dict.fromkeys(_missing_folders(parts if member.is_dir() else parts[:-1], folders)))
        if len(files) + len(folders) > MAX_MEMBERS:
            raise _too_many(name)
    if ambiguous := files & folders.keys():
        raise DamagedFile(f"{name} is not safe to unpack: member {min(ambiguous)[:200]!r} is a file and a folder")
    return list(folders)


def _parts(member: zipfile.ZipInfo) -> list[str]:
    return [part for part in member.filename.split("/") if part not in ("", ".")]


def _missing_folders(parts: Sequence[str], existing: Container[str]) -> list[str]:
    """Return the folders of a path that are not in `existing`, outer folders first."""
    missing: list[str] = []
    for count in range(len(parts), 0, -1):
        if (path := "/".join(parts[:count])) in existing:
            break
        missing.append(path)
    return missing[::-1]


def _reason_unsafe(member: zipfile.ZipInfo) -> str:
    """Return the reason why a member cannot be unpacked, such as `is a link`, or an empty string if it can be
    unpacked."""
    name = member.orig_filename  # zipfile cuts off `filename` at a NUL byte
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
        "has a compression method other than deflate": member.compress_type not in _METHODS,
    }
    return next((reason for reason, wrong in checks.items() if wrong), "")


def _check_size(name: str, members: Sequence[zipfile.ZipInfo], packed: int, disk: Path) -> None:
    unpacked = sum(member.file_size for member in members)  # zipfile never writes more bytes than declared
    if unpacked > SMALL_BYTES and unpacked > packed * MAX_RATIO:
        largest = max(members, key=lambda member: member.file_size)
        raise DamagedFile(
            f"{name} is not safe to unpack: its {packed:,} bytes would become {unpacked:,}, "
            f"most of them in member {largest.filename[:200]!r}"
        )
    free = shutil.disk_usage(disk).free
    if unpacked > free // 2:
        raise StoreError(
            f"{name} unpacks to {unpacked:,} bytes, more than half of the {free:,} free bytes in {disk}; "
            "free some space, or set RUNFOLIO_CACHE to a folder on a larger disk"
        )


def _with_progress(
    members: Sequence[zipfile.ZipInfo], name: str, progress: Progress | None
) -> Iterator[zipfile.ZipInfo]:
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
