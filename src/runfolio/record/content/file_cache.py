"""What was found out about files, kept in the user's cache by path and by what tells that a file is another one.

A second look at the same files then costs their stats. Losing the cache costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import orjson

from runfolio.record.base.cache_folder import cache_folder
from runfolio.record.base.files import replace


class CachedResult(Protocol):
    """A named tuple of plain values that says as of when it holds."""

    @property
    def as_of(self) -> Sequence[int]:
        """The file's `stamp`."""
        ...


ResultT = TypeVar("ResultT", bound=CachedResult)


class FileCache(Generic[ResultT]):
    """The findings below one folder, in a file of their own."""

    def __init__(self, kind: str, root: Path, producer: str, make: Callable[..., ResultT]) -> None:
        """Args:
        kind: The folder of the cache that all findings of this kind are in.
        producer: What made them; those of anything else are not taken.
        make: The class of a finding.
        """
        cache = cache_folder()
        key = hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
        self._path = cache / kind / f"{key}.json" if cache else None
        self._producer = producer
        self._make = make

    def load(self) -> dict[str, ResultT]:
        """By name below the folder; empty where nothing of use was kept."""
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
        # Names in hex: they are bytes, and JSON has none.
        stored: dict[str, Any] = {os.fsencode(name).hex(): result for name, result in results.items()}
        content = orjson.dumps({"by": self._producer, "files": stored}, default=tuple)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace(self._path, lambda path: path.write_bytes(_checksum(content) + b"\n" + content))
        except OSError:
            pass  # a full or read-only cache: the next look reads them again


def is_current(result: CachedResult | None, path: Path) -> bool:
    """Whether the file is as it was when that was found out."""
    if result is None:
        return False
    try:
        status = path.stat()
    except OSError:
        return False
    return stamp(status) == tuple(result.as_of)


def stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    """What is another one when a file was changed, replaced or renamed: two files often share size and mtime, as those
    of one archive do, and tools set mtime back.
    """
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _checksum(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).hexdigest().encode()
