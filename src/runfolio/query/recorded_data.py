"""Facts about the data that runs used, as recorded in `run.json`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from runfolio.errors import NotFound
from runfolio.record.base.run_parts import GivenData
from runfolio.record.content.data_listings import LISTED_AT_MOST, Listing


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """Data that a run used under one name. Unknown facts are None."""

    name: str
    fingerprint: str | None
    """Digest of the data. Equal data have the same digest. It is None if the run ended too early, or for the reason in
    `trouble`."""
    items: int | None
    """Number of files, images or arrays."""
    bytes: int | None
    source: str | None
    """Readable description of the origin of the data."""
    trouble: str | None
    """Reason why the data have no fingerprint (digest)."""
    attempt: int | None
    """First attempt that used the data."""
    earlier: tuple[DataFacts, ...]
    """Other data that earlier attempts used under the same name, oldest first."""
    folder: Path
    """Folder of the run."""

    @classmethod
    def of(cls, folder: Path, name: str, recorded: GivenData) -> DataFacts:
        """Create the facts from an entry of `run.json`."""
        facts = {key: recorded.get(key) for key in ("fingerprint", "items", "bytes", "source", "trouble", "attempt")}
        earlier = tuple(cls.of(folder, name, entry) for entry in recorded.get("earlier", ()))
        return cls(name=name, folder=folder, earlier=earlier, **facts)

    def listing(self) -> Listing:
        """Return the list of items.

        Raises:
            NotFound: The record does not list the items.
            DamagedFile: The list is damaged.
            NewerFormat: A newer version of runfolio wrote the list.
            StoreError: The list cannot be read.
        """
        if self.fingerprint is None:
            raise NotFound(f"data {self.name!r} has no fingerprint" + (f": {self.trouble}" if self.trouble else ""))
        if (self.items or 0) > LISTED_AT_MOST:
            raise NotFound(f"data {self.name!r} has {self.items:,} items, which are too many for a list in the record")
        return _read(self.folder, self.fingerprint)


@lru_cache(maxsize=16)
def _read(folder: Path, fingerprint: str) -> Listing:
    """Read a listing, which is a list of data items. The result can be cached, since a listing's name is a digest of
    its content."""
    return Listing.read(folder, fingerprint)
