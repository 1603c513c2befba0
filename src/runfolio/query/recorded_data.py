"""Recorded data of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from runfolio.errors import NotFound
from runfolio.record.content.data_listings import LISTED_AT_MOST, Listing, is_fingerprint


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """Data that a run used under one name. Unknown facts are None."""

    name: str
    fingerprint: str | None
    """Digest, equal for equal data; None if the run ended too early, or for the reason in `trouble`."""
    items: int | None
    """Number of files, images or arrays."""
    bytes: int | None
    source: str | None
    """Readable description of the origin."""
    trouble: str | None
    """Reason why there is no fingerprint."""
    attempt: int | None
    """First attempt that used the data."""
    earlier: tuple[DataFacts, ...]
    """Different data that earlier attempts used under this name, oldest first."""
    folder: Path
    """Folder of the run."""

    @classmethod
    def of(cls, folder: Path, name: str, recorded: Any) -> DataFacts:
        """Create the facts from an entry of `run.json`. Values of an unexpected type are unknown."""
        entry = recorded if isinstance(recorded, Mapping) else {}
        fingerprint = entry.get("fingerprint")
        earlier = entry.get("earlier")
        return cls(
            name=name,
            fingerprint=fingerprint if is_fingerprint(fingerprint) else None,
            items=_whole(entry.get("items")),
            bytes=_whole(entry.get("bytes")),
            source=_text(entry.get("source")),
            trouble=_text(entry.get("trouble")),
            attempt=_whole(entry.get("attempt")),
            earlier=tuple(cls.of(folder, name, facts) for facts in (earlier if isinstance(earlier, list) else ())),
            folder=folder,
        )

    def listing(self) -> Listing:
        """Return the items.

        Raises:
            NotFound: The record does not list them.
            DamagedFile: The list is damaged.
            NewerFormat: A newer version of runfolio wrote the list.
            StoreError: The list cannot be read.
        """
        if self.fingerprint is None:
            raise NotFound(f"data {self.name!r} has no fingerprint" + (f": {self.trouble}" if self.trouble else ""))
        if (self.items or 0) > LISTED_AT_MOST:
            raise NotFound(f"data {self.name!r} has {self.items:,} items, too many to be listed in the record")
        return _read(self.folder, self.fingerprint)


@lru_cache(maxsize=16)
def _read(folder: Path, fingerprint: str) -> Listing:
    """Read a listing. It can be cached, since its name is a digest of its content."""
    return Listing.read(folder, fingerprint)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
