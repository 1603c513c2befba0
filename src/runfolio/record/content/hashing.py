"""Digests of files for listings of a run's data, cached across runs."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from runfolio.errors import DamagedFile, NotFound, StoreError
from runfolio.record.content.data_listings import Item
from runfolio.record.content.file_cache import FileCache, is_current, stamp

_FOLDER, _ALGORITHM = "digests", "BLAKE2b-128"
_SAVE_EVERY_S = 10.0
"""Seconds between two saves of the cache. Regular saves limit the work that is lost if the process is killed."""
_ATTEMPTS = 3


class Digest(NamedTuple):
    as_of: Sequence[int]
    """State of the file when its content was hashed (see `file_cache.stamp`)."""
    digest: str
    """BLAKE2b-128 digest of the file's content, in hex."""


def files_below(folder: Path) -> list[str]:
    """Return the sorted names of the regular files below a folder. Names are relative to the folder and use `/`.

    Links are followed, except links to a parent folder. Hidden entries are skipped. Entries that are not a file or a
    folder are skipped too.

    Raises:
        NotFound: A link has no target.
        StoreError: A folder cannot be read.
    """
    return sorted(_below(folder, "", frozenset()))


def _below(folder: Path, name: str, above: frozenset[str]) -> Iterator[str]:
    real_path = os.path.realpath(folder)
    if real_path in above:  # a link to a parent folder would be followed forever
        return
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
        for entry in visible:
            if entry.is_dir():
                yield from _below(Path(entry.path), f"{name}{entry.name}/", above | {real_path})
            elif entry.is_file():
                yield name + entry.name
            elif entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110 - there may be millions
                raise NotFound(f"the link {entry.path} has no target")
    except OSError as error:
        raise StoreError(f"cannot read {error.filename}: {error.strerror}") from None


def digests(root: Path, names: Iterable[str]) -> Iterator[Digest]:
    """Yield the digest of each named file below `root`. Only files that are new or have changed are read.

    Raises:
        NotFound: A file does not exist.
        DamagedFile: A file kept changing while it was read.
        StoreError: A file cannot be read.
    """
    cache = FileCache(_FOLDER, root, _ALGORITHM, Digest)
    digest_by_name = cache.load()
    saved_at, unsaved = time.monotonic(), False
    try:
        for name in names:
            if (file_digest := digest_by_name.get(name)) is None or not is_current(file_digest, root / name):
                file_digest = digest_by_name[name] = digest(root / name)
                unsaved = True
            yield file_digest
            if unsaved and time.monotonic() - saved_at > _SAVE_EVERY_S:
                cache.save(digest_by_name)
                saved_at, unsaved = time.monotonic(), False
    finally:
        if unsaved:
            cache.save(digest_by_name)


def content_digest(file: BufferedReader) -> str:
    """Return the BLAKE2b-128 digest of an open file's content, in hex."""
    return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def digest(path: Path) -> Digest:
    """Return the digest of a file. If the file changes while it is read, read it again.

    Raises:
        NotFound, DamagedFile, StoreError: `digests` raises these errors in the same cases.
    """
    for _ in range(_ATTEMPTS):
        try:
            with path.open("rb") as file:
                before = os.fstat(file.fileno())
                if not stat.S_ISREG(before.st_mode):
                    raise StoreError(f"{path} is not a file")
                content = content_digest(file)
                after = os.fstat(file.fileno())
        except FileNotFoundError:
            raise NotFound(f"{path} does not exist") from None
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}") from None
        if stamp(before) == stamp(after):
            return Digest(stamp(after), content)
    raise DamagedFile(f"{path} changed while it was read; log the data while no process writes to it")


def items(root: Path, names: list[str]) -> tuple[list[Item], int]:
    """Return the files as items of a listing, and their total size in bytes.

    Raises:
        NotFound, DamagedFile, StoreError: `digests` raises these errors in the same cases.
    """
    file_digests = list(digests(root, names))
    size = sum(file_digest.as_of[0] for file_digest in file_digests)
    return [Item(name, file_digest.digest) for name, file_digest in zip(names, file_digests, strict=True)], size
