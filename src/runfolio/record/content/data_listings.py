"""Listings of a run's data, their fingerprints, and the differences between two listings (`docs/format.md`, Data).

A listing contains the name and the digest of each item of the data. A fingerprint is a digest of a listing.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

from runfolio.errors import ConfigError, DamagedFile, NotFound, StoreError
from runfolio.record.base import file_bounds, files
from runfolio.record.base.layout import DATA, FORMAT
from runfolio.record.base.record_path import RecordPath, UnusableFile

LISTED_AT_MOST = 1_000_000
"""Maximum number of items in a stored listing. For longer listings, only the fingerprint and the length are stored."""
ENDING = ".jsonl.gz"
_DIGEST_BYTES = 16
_FINGERPRINT = re.compile(r"[0-9a-f]{32}")


class Item(NamedTuple):
    """Item of a data set, such as a file, an image or an array."""

    name: str
    """Name that does not depend on the location of the data. Example: a path relative to the data folder, with `/` as
    the separator."""
    digest: str
    """Digest of the content. Items with equal contents have equal digests."""
    label: str | None = None


class Listing:
    """Items of a data set, without an order. Listings with the same items are equal and have the same fingerprint."""

    def __init__(self, items: Iterable[tuple[str, str] | tuple[str, str, str | None]] = ()) -> None:
        """Create a listing.

        Args:
            items: Name, digest and optional label of each item. Items may occur more than once.
        Raises:
            ConfigError: An item is invalid.
        """
        self._lines = sorted(_line(item) for item in items)

    @classmethod
    def _from_lines(cls, lines: list[bytes]) -> Self:
        listing = cls()
        listing._lines = sorted(lines)
        return listing

    @classmethod
    def union(cls, listings: Iterable[Listing]) -> Self:
        """Return one listing with the items of all `listings`."""
        return cls._from_lines([line for listing in listings for line in listing._lines])

    @cached_property
    def fingerprint(self) -> str:
        """BLAKE2b-128 digest of the sorted items, in hex."""
        digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        for line in self._lines:
            digest.update(line)
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Item]:
        """Yield the items, sorted by name."""
        return (Item(*orjson.loads(line)) for line in self._lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Listing) and self._lines == other._lines

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"<Listing of {len(self)}, {self.fingerprint}>"

    def items_missing_from(self, other: Listing) -> list[Item]:
        """Return the items of this listing that are missing from `other`, sorted by name."""
        missing = Counter(self._lines) - Counter(other._lines)
        return [Item(*orjson.loads(line)) for line in missing.elements()]

    def write(self, folder: Path) -> None:
        """Store the listing in a run, unless it is stored already.

        Raises:
            OSError: The store cannot be written to, or the run was deleted. A deleted run's folder is not created
                again.
        """
        path = listing_path(folder, self.fingerprint)
        if path.exists():
            return
        path.parent.mkdir()
        header = orjson.dumps({"runfolio": FORMAT, "items": len(self)}) + b"\n"
        content = gzip.compress(b"".join((header, *self._lines)), mtime=0)
        path.write_bytes(content, sync=True)

    @classmethod
    def read(cls, folder: Path, fingerprint: str, *, most_bytes: int = file_bounds.LISTING) -> Self:
        """Read a listing of a run.

        Args:
            most_bytes: Maximum unpacked size of a valid listing.
        Raises:
            NotFound: The run has no listing with the fingerprint.
            DamagedFile: The listing is damaged.
            NewerFormat: A newer version of runfolio wrote the listing.
            StoreError: The listing cannot be read.
        """
        path = listing_path(folder, fingerprint)
        try:
            with path.open(file_bounds.LISTING) as packed, gzip.open(packed) as file:
                content = file.read(most_bytes + 1)
            if len(content) > most_bytes:
                raise ValueError(f"it unpacks to more than {most_bytes:,} bytes")
            if content.count(b"\n") > LISTED_AT_MOST + 1:
                raise ValueError(f"it lists more than {LISTED_AT_MOST:,} items")
            header, *lines = content.splitlines(keepends=True)
            about = orjson.loads(header)
            if not isinstance(about, dict):
                raise TypeError("no header")
            files.check_format(about, path)
            for line in lines:
                _check(orjson.loads(line))
        except FileNotFoundError:
            raise NotFound(f"{path} is gone; restore it from a copy of the run") from None
        except UnusableFile:
            raise
        except (EOFError, TypeError, ValueError, zlib.error, gzip.BadGzipFile) as error:
            raise DamagedFile(
                f"{path} is damaged ({error or 'it is empty'}); restore it from a copy of the run"
            ) from None
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}") from None
        listing = cls._from_lines(lines)
        if listing.fingerprint != fingerprint or len(listing) != about.get("items"):
            raise DamagedFile(
                f"{path} is damaged (its content does not match its name); restore it from a copy of the run"
            )
        return listing


def listing_path(folder: Path, fingerprint: str) -> RecordPath:
    return RecordPath(folder, DATA) / f"{fingerprint}{ENDING}"


def is_fingerprint(text: Any) -> bool:
    return isinstance(text, str) and _FINGERPRINT.fullmatch(text) is not None


def _line(item: Any) -> bytes:
    entry = (*item, None) if isinstance(item, (tuple, list)) and len(item) == 2 else item
    try:
        _check(entry)
    except TypeError as error:
        raise ConfigError(
            f"an item of a listing must be (name, digest) or (name, digest, label), with strings only: {error}"
        ) from None
    try:
        return orjson.dumps(entry) + b"\n"
    except orjson.JSONEncodeError:  # the name has bytes that are not UTF-8
        return orjson.dumps(files.plain_json(entry)) + b"\n"


def _check(entry: Any) -> None:
    if not (
        isinstance(entry, (tuple, list))
        and len(entry) == 3
        and isinstance(entry[0], str)
        and isinstance(entry[1], str)
        and isinstance(entry[2], (str, type(None)))
    ):
        raise TypeError(f"{str(entry)[:100]!r} is not an item")


@dataclass(frozen=True)
class ListingDifference:
    """Differences between a listing and an earlier listing. Names are sorted."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Names of items whose content differs."""
    relabelled: tuple[str, ...] = ()
    """Names of items with the same content but a different label. An entry has the form `before -> after` if the name
    differs too."""
    renamed: tuple[str, ...] = ()
    """Names of items with the same content and label but a different name. Each entry has the form
    `before -> after`."""

    @property
    def sentence(self) -> str:
        """Counts and first names, such as `1 changed (pizza/12.jpg), 2 added (a.jpg, b.jpg)`.

        The text is empty if the listings are equal.
        """
        return ", ".join(f"{len(names):,} {kind} ({_first(names)})" for kind, names in vars(self).items() if names)

    def counts_and_names(self, most: int = 20) -> dict[str, Any]:
        """Return the number of names and the first `most` names for each kind of difference, as plain data."""
        return {kind: {"count": len(names), "first": list(names[:most])} for kind, names in vars(self).items() if names}


_NAMED = 3


def _first(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def compare_listings(before: Listing, after: Listing) -> ListingDifference:
    """Return the changes from `before` to `after`."""
    removed, added = before.items_missing_from(after), after.items_missing_from(before)
    changes: dict[str, list[str]] = defaultdict(list)
    removed, added = _match_items(removed, added, "name", changes)
    removed, added = _match_items(removed, added, "digest", changes)
    changes["removed"] += [item.name for item in removed]
    changes["added"] += [item.name for item in added]
    return ListingDifference(**{kind: tuple(sorted(names)) for kind, names in changes.items()})


def _match_items(
    removed: list[Item], added: list[Item], field: str, changes: dict[str, list[str]]
) -> tuple[list[Item], list[Item]]:
    """Find items of both lists with the same `field`, and add each such pair to `changes`.

    Return the remaining items of both lists.
    """
    candidates: dict[str, list[Item]] = defaultdict(list)
    for item in reversed(removed):
        candidates[getattr(item, field)].append(item)
    unmatched = []
    for item in added:
        if pairs := candidates[getattr(item, field)]:
            earlier = pairs.pop()
            changes[_kind(earlier, item)].append(
                item.name if earlier.name == item.name else f"{earlier.name} -> {item.name}"
            )
        else:
            unmatched.append(item)
    return [item for pairs in candidates.values() for item in reversed(pairs)], unmatched


def _kind(before: Item, after: Item) -> str:
    if before.digest != after.digest:
        return "changed"
    return "relabelled" if before.label != after.label else "renamed"
