"""Cached results of file checks.

A result is found by the path of its file, and is valid until the file changes. If the same files are checked again,
only `stat` is called for each unchanged file. If the cache is lost, all files are read again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import orjson

from runfolio.record.base.cache_folder import cache_folder, create_folder
from runfolio.record.base.files import replace


class CachedResult(Protocol):
    """Result of a file check, as a named tuple of numbers, strings and lists. One of the values describes the state of
    the file when it was checked."""

    @property
    def as_of(self) -> Sequence[int]:
        """Result of `stamp` for the file at the time of the check."""
        ...


ResultT = TypeVar("ResultT", bound=CachedResult)


class FileCache(Generic[ResultT]):
    """Cached results for the files of one folder, stored in one file."""

    def __init__(self, kind: str, root: Path, producer: str, make: Callable[..., ResultT]) -> None:
        """Prepare the cache of a folder without reading it.

        Args:
            kind: Subfolder of the user's cache for results of this kind.
            producer: Version of the check. Results from other versions are ignored.
            make: Class of a result.
        """
        cache = cache_folder()
        key = hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
        self._path = cache / kind / f"{key}.json" if cache else None
        self._producer = producer
        self._make = make

    def load(self) -> dict[str, ResultT]:
        """Return the results by path relative to the folder. The dict is empty if there is no valid cache."""
        if self._path is None:
            return {}
        try:
            checksum, _, content = self._path.read_bytes().partition(b"\n")
            if checksum != _checksum(content):
                return {}
            stored = orjson.loads(content)
            if stored["by"] != self._producer:
                return {}
            return {os.fsdecode(bytes.fromhex(name)): self._make(*values) for name, values in stored["files"].items()}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def save(self, results: Mapping[str, ResultT]) -> None:
        if self._path is None:
            return
        # File names are stored in hex, since they are bytes, which JSON cannot represent.
        stored: dict[str, Any] = {os.fsencode(name).hex(): result for name, result in results.items()}
        content = orjson.dumps({"by": self._producer, "files": stored}, default=tuple)
        try:
            create_folder(self._path.parent)
            replace(self._path, lambda path: path.write_bytes(_checksum(content) + b"\n" + content))
        except OSError:
            pass  # if the disk is full or read-only, the next check reads the files again


def is_current(result: CachedResult | None, path: Path) -> bool:
    """Return whether the file has not changed since the result was computed."""
    if result is None:
        return False
    try:
        status = path.stat()
    except OSError:
        return False
    return stamp(status) == tuple(result.as_of)


def stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    """Return values that differ if a file was changed, replaced or renamed.

    Size and modification time (mtime) are not sufficient. Files from one archive often have the same size and mtime,
    and some tools reset mtime.
    """
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _checksum(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).hexdigest().encode()
