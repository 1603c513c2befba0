"""What data runs were given, as their records say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from runfolio.errors import NotFound
from runfolio.record.base.run_parts import EarlierData, GivenData
from runfolio.record.content.data_listings import LISTED_AT_MOST, Listing


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
    def of(cls, folder: Path, name: str, recorded: GivenData | EarlierData) -> DataFacts:
        """What `run.json` says of it."""
        facts = {key: recorded.get(key) for key in ("fingerprint", "items", "bytes", "source", "trouble", "attempt")}
        earlier = tuple(cls.of(folder, name, entry) for entry in recorded.get("earlier", ()))
        return cls(name=name, folder=folder, earlier=earlier, **facts)

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
