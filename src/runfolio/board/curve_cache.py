"""Cache of decoded curves with a memory limit."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


Entry = TypeVar("Entry", bound=Sized)


class CurveCache(Generic[Entry]):
    """Cache of the entries that were used most recently. Several threads may use the cache.

    Args:
        max_bytes: Maximum number of bytes of all entries together. If this limit is exceeded, the least recently used
            entries are removed.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Number of bytes of all entries together."""
        return self._bytes

    def get(self, key: Hashable) -> Entry | None:
        """Return the entry for a key, or None if the cache does not contain the key."""
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key]

    def put(self, key: Hashable, entry: Entry) -> None:
        """Add or replace an entry. An entry that is larger than the cache is not stored."""
        with self._lock:
            if (old := self._entries.pop(key, None)) is not None:
                self._bytes -= old.nbytes
            self._entries[key] = entry
            self._bytes += entry.nbytes
            while self._bytes > self._max_bytes:
                _, removed = self._entries.popitem(last=False)
                self._bytes -= removed.nbytes
