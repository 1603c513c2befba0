"""What data runs were given, as their records say."""

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
    """Data of one name that a run was given; None where it is not known."""

    name: str
    fingerprint: str | None
    """Equal for equal data. None: the run ended before it was known, or `trouble` says why."""
    items: int | None
    """Files, images or arrays."""
    bytes: int | None
    source: str | None
    """Where it came from, for people."""
    trouble: str | None
    attempt: int | None
    """The first attempt that was given it."""
    earlier: tuple[DataFacts, ...]
    """What earlier attempts were given under this name, where it was other data; oldest first."""
    folder: Path
    """The run's."""

    @classmethod
    def of(cls, folder: Path, name: str, recorded: Any) -> DataFacts:
        """What `run.json` says of it; what is not of the expected kind is not known."""
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
        """Its items.

        Raises:
            NotFound: The record does not hold them.
            DamagedFile, NewerFormat, StoreError: They cannot be read.
        """
        if self.fingerprint is None:
            raise NotFound(f"data {self.name!r} has no fingerprint" + (f": {self.trouble}" if self.trouble else ""))
        if (self.items or 0) > LISTED_AT_MOST:
            raise NotFound(f"the {self.items:,} items of data {self.name!r} are more than a record lists")
        return _read(self.folder, self.fingerprint)


@lru_cache(maxsize=16)
def _read(folder: Path, fingerprint: str) -> Listing:
    """A listing never changes: it is called after its content."""
    return Listing.read(folder, fingerprint)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
