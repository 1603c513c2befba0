"""Access to the files of a record, which may come from other people. All access stays within the run's folder.

The run's folder itself is trusted, because the user named it or it is in the store. Everything below the run's folder
is opened one path component at a time. The access uses descriptors of the folders and does not follow links. Only
regular files within the size limit for their kind are read.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import total_ordering
from io import BufferedReader
from pathlib import Path

from runfolio.errors import DamagedFile
from runfolio.record.base.file_names import file_name

HIDDEN = ".tmp-"
"""Prefix of the names of files that are not yet part of the record."""

MOST_LEVELS = 100
"""Maximum depth of a search in a run's folder. The depth is limited because some searches are recursive."""
_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | getattr(os, "O_PATH", os.O_RDONLY)
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_CREATE = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_DESCRIPTORS = "/proc/self/fd"
_HAS_DESCRIPTORS = os.path.isdir(_DESCRIPTORS)  # noqa: PTH112 - runs at every import
FILE, FOLDER = "a file", "a folder"
_KINDS = {
    stat.S_IFLNK: "a link, which is not followed",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: FOLDER,
    stat.S_IFREG: FILE,
}


class UnusableFile(DamagedFile, OSError):  # noqa: N818 - named after the event, like all of runfolio's errors
    """File or folder of a record that must not be accessed: a link, a device, or a file above its size limit.

    Readers of a record treat this error as damage, and writers as an error of the operating system.
    """

    def __init__(self, path: object, problem: str) -> None:
        super().__init__(errno.EINVAL, problem, str(path))
        self.problem = problem
        """Description of the problem, such as `is a link, which is not followed`."""

    def __str__(self) -> str:
        return f"{self.filename} {self.problem}; remove it, or restore it from a copy of the run"


@total_ordering
class RecordPath:
    """File or folder inside a run's folder.

    The class is not an `os.PathLike`, so that files can be opened only through its methods. Each method raises
    `UnusableFile` if a parent folder is a link or a file.
    """

    __slots__ = ("parts", "root")

    def __init__(self, root: Path | str, *parts: str) -> None:
        """Create a path.

        Args:
            root: The run's folder.
            parts: Components of the path below the root. They must be constants or come from a directory listing. Use
                the `/` operator for names that are read from a record.
        """
        self.root = str(root)
        self.parts = parts

    def __truediv__(self, name: str) -> RecordPath:
        """Return the path of `name` in this folder.

        Raises:
            DamagedFile: `name` is not a valid file name in a record.
        """
        try:
            return RecordPath(self.root, *self.parts, file_name(name))
        except ValueError as error:
            raise DamagedFile(f"{self} cannot contain this file: {error}") from None

    def hidden(self, name: str) -> RecordPath:
        """Return the path of a hidden file in this folder. Hidden files are not part of the record."""
        return RecordPath(self.root, *self.parts, f".{(self / name.removeprefix('.')).name}")

    def below(self, path: str) -> RecordPath:
        """Return the path of a user's file below this folder. The file may have any name.

        Raises:
            ValueError: The path leads out of this folder.
        """
        parts = path.split("/")
        if "\0" in path or not all(part not in ("", ".", "..") for part in parts):
            raise ValueError(f"{path!r:.100} is not a file below the folder")
        return RecordPath(self.root, *self.parts, *parts)

    @property
    def path(self) -> Path:
        """Full path, for display and comparison."""
        return Path(str(self))

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def stem(self) -> str:
        return Path(self.name).stem

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix

    @property
    def parent(self) -> RecordPath:
        return RecordPath(self.root, *self.parts[:-1])

    @property
    def relative(self) -> str:
        """Path relative to the run's folder, with `/` as the separator."""
        return "/".join(self.parts)

    def __str__(self) -> str:
        return "/".join((self.root, *self.parts))

    def __repr__(self) -> str:
        return f"RecordPath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RecordPath) and (self.root, self.parts) == (other.root, other.parts)

    def __lt__(self, other: RecordPath) -> bool:
        return (self.root, self.parts) < (other.root, other.parts)

    def __hash__(self) -> int:
        return hash((self.root, self.parts))

    # Files

    def open(self, most_bytes: int) -> BufferedReader:
        """Open a regular file for reading.

        Args:
            most_bytes: Maximum size of the file.
        Raises:
            FileNotFoundError: The file does not exist.
            UnusableFile: The path is a link, a device or a FIFO, or the file is too large.
            OSError: The file cannot be read.
        """
        return os.fdopen(self._open_checked(most_bytes)[0], "rb")

    def read_bytes(self, most_bytes: int) -> bytes:
        """Return the content of a file. The arguments and errors are those of `open`."""
        descriptor, size = self._open_checked(most_bytes)
        try:
            data = os.read(descriptor, size)
            while len(data) < size and (more := os.read(descriptor, size - len(data))):
                data += more
        finally:
            os.close(descriptor)
        return data

    def sha256(self, most_bytes: int) -> str:
        """Return the SHA-256 digest of a file in hex. The arguments and errors are those of `open`."""
        with self.open(most_bytes) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def create(self) -> int:
        """Create a file that must not exist yet, and return a descriptor for appending.

        Raises:
            FileExistsError: The name already exists, possibly as a link.
            OSError: The folder cannot be created.
        """
        with self._folder() as folder:
            return os.open(self._name_in(folder), _CREATE, 0o666, dir_fd=folder)

    def replace(self, write: Callable[[Path], object], *, sync: bool = False, label: str | None = None) -> None:
        """Replace the file by writing a hidden file and renaming it. Readers therefore never see an incomplete file.

        Args:
            write: Function that creates the hidden file. Its argument is the path of the hidden file. This path refers
                to the folder by an open file descriptor.
            sync: Also flush the file and the folder to the disk, so that the file survives a power failure.
            label: Suffix of the hidden file's name. Default: the file's name.
        """
        name = f"{HIDDEN}{secrets.token_hex(4)}-{label or self.name}"
        with self.parent.opened() as (folder, path):
            try:
                write(path / name)
                if sync:
                    _sync(name, folder)
                os.replace(name, self.name, src_dir_fd=folder, dst_dir_fd=folder)
                if sync:
                    _sync(".", folder)
            except BaseException:
                _unlink(name, folder)
                raise

    def write_bytes(self, content: bytes, *, sync: bool = False) -> None:
        """Replace the file with `content` in the same way as `replace`."""
        self.replace(lambda path: path.write_bytes(content), sync=sync)

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Delete a file. If the path is a link, delete the link itself."""
        try:
            with self._folder() as folder:
                os.unlink(self._name_in(folder), dir_fd=folder)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def rename(self, target: RecordPath) -> None:
        """Move a file or a folder, replacing `target` as `os.rename` does."""
        with self._folder() as folder, target._folder() as target_folder:
            os.rename(
                self._name_in(folder), target._name_in(target_folder), src_dir_fd=folder, dst_dir_fd=target_folder
            )

    def link(self, target: RecordPath) -> None:
        """Create a hard link to this file in another run, or copy the file if the disk does not support links.

        Raises:
            FileNotFoundError: The file is missing.
            FileExistsError: `target` already exists.
            UnusableFile: The path is not a regular file.
            OSError: The store cannot be written to.
        """
        if self.kind() != FILE:
            raise self._unusable(self.parts, "file")
        with self._folder() as folder, target._folder() as target_folder:
            try:
                os.link(
                    self._name_in(folder),
                    target._name_in(target_folder),
                    src_dir_fd=folder,
                    dst_dir_fd=target_folder,
                    follow_symlinks=False,
                )
            except (FileNotFoundError, FileExistsError):
                raise
            except OSError:
                self.copy(target)

    def copy(self, target: RecordPath, *, most_bytes: int = 1 << 62) -> None:
        """Copy a file to `target` and flush it to the disk."""
        with self.open(most_bytes) as source:

            def write(path: Path) -> None:
                with path.open("wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)

            target.replace(write, sync=True)

    def status(self) -> os.stat_result:
        """Return the status of a file. If the path is a link, return the status of the link itself.

        Raises:
            FileNotFoundError: The file does not exist.
        """
        with self._folder() as folder:
            return os.stat(self._name_in(folder), dir_fd=folder, follow_symlinks=False)

    def kind(self) -> str:
        """Return a description of the kind of entry, such as `a file` or `a link, which is not followed`."""
        return _KINDS.get(stat.S_IFMT(self.status().st_mode), "something else")

    def exists(self) -> bool:
        """Return whether an entry with this name exists, even if it is a link without a target."""
        try:
            self.status()
        except FileNotFoundError:
            return False
        return True

    # Folders

    def create_folder(self) -> None:
        """Create a folder that must not exist yet.

        Raises:
            FileExistsError: The name already exists.
            OSError: The folder cannot be created.
        """
        with self._folder() as folder:
            os.mkdir(self._name_in(folder), dir_fd=folder)

    def mkdir(self) -> None:
        """Create a folder if it is missing. Parent folders are not created, so that a deleted run does not reappear.

        Raises:
            FileNotFoundError: The parent folder does not exist.
            OSError: The folder cannot be created.
        """
        try:
            self.create_folder()
        except FileExistsError:
            os.close(self._open_folder(self.parts))

    def entries(self) -> list[RecordPath]:
        """Return the sorted entries of a folder that are not hidden. The list is empty if the folder does not exist.

        Raises:
            OSError: The folder cannot be listed.
        """
        return [entry for entry in self.all_entries() if not entry.name.startswith(".")]

    def all_entries(self) -> list[RecordPath]:
        """Return the sorted entries of a folder, including hidden ones. The errors are those of `entries`."""
        try:
            with self.opened() as (_, path):
                names = sorted(os.listdir(path))  # noqa: PTH208 - stores hold thousands of runs, and Path is 3x slower
        except FileNotFoundError:
            return []
        return [RecordPath(self.root, *self.parts, name) for name in names]

    @contextmanager
    def scan(self) -> Iterator[Iterator[os.DirEntry[str]]]:
        """Yield an iterator over the entries of a folder, as `os.scandir` does.

        Raises:
            FileNotFoundError: The folder does not exist.
        """
        with self.opened() as (_, path), os.scandir(path) as entries:
            yield entries

    def files(self) -> list[RecordPath]:
        """Return the sorted regular files in a folder, including hidden ones. The list is empty if the folder cannot be
        listed."""
        try:
            with self.scan() as entries:
                names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
        except OSError:
            return []
        return [RecordPath(self.root, *self.parts, name) for name in names]

    def walk(self) -> Iterator[RecordPath]:
        """Yield all entries below a folder, including hidden entries. Folders themselves are not yielded.

        Unreadable folders are skipped. As an exception, a folder at the maximum depth `MOST_LEVELS` is yielded and not
        searched.
        """
        try:
            with self.scan() as entries:
                found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
        except OSError:
            return
        for name, is_folder in found:
            path = RecordPath(self.root, *self.parts, name)
            if is_folder and len(path.parts) < MOST_LEVELS:
                yield from path.walk()
            else:
                yield path

    @contextmanager
    def opened(self) -> Iterator[tuple[int, Path]]:
        """Keep a folder open, and yield its descriptor and a path that libraries can use.

        The path goes through the descriptor.

        Raises:
            FileNotFoundError: The folder does not exist.
        """
        descriptor = self._open_folder(self.parts)
        try:
            yield descriptor, descriptor_path(descriptor, str(self))
        finally:
            os.close(descriptor)

    def rmtree(self) -> None:
        """Remove a folder and its content without following links. Entries that cannot be removed remain."""
        with suppress(FileNotFoundError, RecursionError), self._folder() as folder:
            shutil.rmtree(self._name_in(folder), ignore_errors=True, dir_fd=folder)

    def sync(self) -> None:
        """Flush a file, or the entries of a folder, to the disk."""
        with self._folder() as folder:
            _sync(self._name_in(folder), folder)

    def _open_checked(self, most_bytes: int) -> tuple[int, int]:
        """Return a descriptor of a regular file, and its size."""
        try:
            with self._folder() as folder:
                descriptor = os.open(self._name_in(folder), _READ, dir_fd=folder)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):  # the path is a link or a socket
                raise self._unusable(self.parts, "file") from None
            raise
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_size <= most_bytes:
            return descriptor, status.st_size
        os.close(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise self._unusable(self.parts, "file")
        raise UnusableFile(self, f"has {status.st_size:,} bytes; at most {most_bytes:,} are allowed")

    @contextmanager
    def _folder(self) -> Iterator[int | None]:
        """Keep the parent folder open, and yield its descriptor.

        Yield None if the parent is the run's folder, because this folder is trusted.
        """
        if len(self.parts) <= 1:
            yield None
            return
        descriptor = self._open_folder(self.parts[:-1])
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _name_in(self, folder: int | None) -> str:
        return str(self) if folder is None else self.parts[-1]

    def _open_folder(self, parts: tuple[str, ...]) -> int:
        if not parts:
            return os.open(self.root, _FOLDER & ~os.O_NOFOLLOW)
        descriptor: int | None = None
        for depth, name in enumerate(parts, 1):
            above = descriptor
            try:
                descriptor = os.open(f"{self.root}/{name}" if above is None else name, _FOLDER, dir_fd=above)
            except OSError as error:
                if error.errno in (errno.ENOTDIR, errno.ELOOP):
                    raise self._unusable(parts[:depth], "folder") from None
                raise
            finally:
                if above is not None:
                    os.close(above)
        assert descriptor is not None
        return descriptor

    def _unusable(self, parts: tuple[str, ...], expected: str) -> UnusableFile:
        path = RecordPath(self.root, *parts)
        try:
            kind = path.kind()
        except OSError:
            kind = "something else"
        return UnusableFile(path, f"is {kind}" + (f", not a {expected}" if kind in (FILE, FOLDER) else ""))


def descriptor_path(descriptor: int, path: str) -> Path:
    """Return a path that goes through an open descriptor, or `path` itself if the system has no such paths."""
    return Path(f"{_DESCRIPTORS}/{descriptor}" if _HAS_DESCRIPTORS else path)


def _sync(name: str, folder: int | None) -> None:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlink(name: str, folder: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
