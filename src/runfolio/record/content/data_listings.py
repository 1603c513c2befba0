"""What data a run was given: listings, their fingerprints, and how two of them differ (`docs/format.md`, Data)."""

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
"""The record keeps no longer listing; of such data it has the fingerprint and the number of items alone."""
ENDING = ".jsonl.gz"
_DIGEST_BYTES = 16
_FINGERPRINT = re.compile(r"[0-9a-f]{32}")


class Item(NamedTuple):
    """One thing of a data set: a file, an image, an array."""

    name: str
    """The same wherever the data lies: a path below its folder, with `/`."""
    digest: str
    """Equal for equal contents."""
    label: str | None = None


class Listing:
    """What a data set consists of, in no order: two listings of the same items are equal and share a fingerprint."""

    def __init__(self, items: Iterable[tuple[str, str] | tuple[str, str, str | None]] = ()) -> None:
        """Args:
            items: Name, digest and, where there is one, label of each; an item may be there more than once.
        Raises:
            ConfigError: One is something else.
        """
        self._lines = sorted(_line(item) for item in items)

    @classmethod
    def _from_lines(cls, lines: list[bytes]) -> Self:
        listing = cls()
        listing._lines = sorted(lines)
        return listing

    @classmethod
    def union(cls, listings: Iterable[Listing]) -> Self:
        """The items of all of them."""
        return cls._from_lines([line for listing in listings for line in listing._lines])

    @cached_property
    def fingerprint(self) -> str:
        """BLAKE2b-128 of the lines, in hex."""
        digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        for line in self._lines:
            digest.update(line)
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Item]:
        """The items, by name."""
        return (Item(*orjson.loads(line)) for line in self._lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Listing) and self._lines == other._lines

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"<Listing of {len(self)}, {self.fingerprint}>"

    def items_missing_from(self, other: Listing) -> list[Item]:
        """The items that `other` lacks, by name."""
        missing = Counter(self._lines) - Counter(other._lines)
        return [Item(*orjson.loads(line)) for line in missing.elements()]

    def write(self, folder: Path) -> None:
        """Keep it in a run, unless it is there already.

        Raises:
            OSError: The store does not take it; of a run whose folder is gone, nothing is made anew.
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
        """A listing that a run keeps.

        Args:
            most_bytes: It is damaged where it unpacks to more.
        Raises:
            NotFound: It keeps none of that fingerprint.
            DamagedFile: It is not whole.
            NewerFormat: A newer runfolio wrote it.
            StoreError: It cannot be read.
        """
        path = listing_path(folder, fingerprint)
        try:
            with path.open(file_bounds.LISTING) as packed, gzip.open(packed) as file:
                content = file.read(most_bytes + 1)
            if len(content) > most_bytes:
                raise ValueError(f"it unpacks to more than {most_bytes:,} bytes")
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
            raise DamagedFile(f"{path} is damaged (it is not what its name says); restore it from a copy of the run")
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
            f"an item of a listing is (name, digest) or (name, digest, label), texts all: {error}"
        ) from None
    try:
        return orjson.dumps(entry) + b"\n"
    except orjson.JSONEncodeError:  # a name of odd bytes
        return orjson.dumps(files.plain_json(entry)) + b"\n"


def _check(entry: Any) -> None:
    if not (
        isinstance(entry, (tuple, list))
        and len(entry) == 3
        and isinstance(entry[0], str)
        and isinstance(entry[1], str)
        and isinstance(entry[2], (str, type(None)))
    ):
        raise TypeError(f"{str(entry)[:100]!r} is none")


@dataclass(frozen=True)
class ListingDifference:
    """How one listing differs from an earlier one; names sorted."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """The same name with another content."""
    relabelled: tuple[str, ...] = ()
    """The same content with another label; where the name is another too, `before -> after`."""
    renamed: tuple[str, ...] = ()
    """The same content and label under another name: `before -> after`."""

    @property
    def sentence(self) -> str:
        """Counts and the first names: `1 changed (pizza/12.jpg), 2 added (a.jpg, b.jpg)`; empty where none differs."""
        return ", ".join(f"{len(names):,} {kind} ({_first(names)})" for kind, names in vars(self).items() if names)

    def counts_and_names(self, most: int = 20) -> dict[str, Any]:
        """As plain data: of each kind how many, and the first names."""
        return {kind: {"count": len(names), "first": list(names[:most])} for kind, names in vars(self).items() if names}


_NAMED = 3


def _first(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def compare_listings(before: Listing, after: Listing) -> ListingDifference:
    """What must be done to the items of `before` to make those of `after`."""
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
    """Put pairs that share a name, or a content, where they belong; what is left of both."""
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
