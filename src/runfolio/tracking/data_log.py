"""`run.log_data`: what a run was given, fingerprinted beside the training."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from runfolio.errors import ConfigError, NotFound, RunfolioError
from runfolio.record.base.redaction import redact_text
from runfolio.record.base.run_document import RunDocument
from runfolio.record.content import hashing
from runfolio.record.content.data_listings import LISTED_AT_MOST, Item, Listing, compare_listings
from runfolio.tracking.pipeline import arrays
from runfolio.tracking.pipeline.background_log import log
from runfolio.tracking.pipeline.plain_texts import describe_error, path_of, shorten, text_of

NAMES_AT_MOST, _NAME_LENGTH = 100, 100
_EARLIER_AT_MOST = 100


class Measured(NamedTuple):
    """What there is to say of data."""

    listing: Listing
    bytes: int | None


class DataLog:
    """Fills `data` of a run's document, and the run's `data/`.

    `take` is called by the training thread, `measure` by threads of their own, `bring` by the one that writes.
    """

    def __init__(self, folder: Path, document: RunDocument, changed: Callable[[], None]) -> None:
        """Args:
        changed: Called when the document is to be saved.
        """
        self._folder = folder
        self._document = document
        self._changed = changed
        self._settled = {name: entry for name, entry in document.data.items() if entry.get("fingerprint")}
        """What is known of each name's data, and was measured last."""
        self._waiting: deque[tuple[str, dict[str, Any], Callable[[], Measured]]] = deque()
        self._one_at_a_time = threading.Lock()
        self._measured: deque[tuple[str, dict[str, Any], Listing | None]] = deque()

    def take(self, name: str, data: Any, source: str | None) -> None:
        """Note that there is such data, and have `measure` find out what it is.

        Raises:
            ConfigError: It is nothing that can be fingerprinted, or has no name.
            NotFound: It is a path that leads nowhere.
        """
        entries = self._document.data
        if not issubclass(type(name), str) or not 0 < len((name := str.__str__(name)).strip()) <= _NAME_LENGTH:
            raise ConfigError(
                f"data is named by a text of 1 to {_NAME_LENGTH} characters, such as 'train'; not {shorten(name)}"
            )
        if name not in entries and len(entries) >= NAMES_AT_MOST:
            raise ConfigError(f"a run has at most {NAMES_AT_MOST} kinds of data; list more items under one name")
        measured = _measurement(data)
        entries[name] = entry = {
            "fingerprint": None,
            "items": None,
            "bytes": None,
            "source": redact_text(text_of(source, "source")) if source is not None else _source(data),
            "trouble": None,
            "attempt": self._document.attempts[-1].attempt,
            "earlier": _earlier(entries.get(name)),
        }
        self._waiting.append((name, entry, measured))
        self._changed()

    def measure(self) -> None:
        """Find out what one kind of data is."""
        with self._one_at_a_time:
            name, waiting, measured = self._waiting.popleft()
            entry = {**waiting, "earlier": _earlier(self._settled.get(name))}
            listing = None
            try:
                listing, size = measured()
                entry |= {"fingerprint": listing.fingerprint, "items": len(listing), "bytes": size}
                entry = self._settled[name] = self._compared(name, entry, listing)
            except Exception as error:  # also in a function of the user's own
                entry["trouble"] = describe_error(error)
                log.warning("run %s: data %r has no fingerprint: %s", self._document.id, name, entry["trouble"])
            self._measured.append((name, entry, listing))

    def bring(self) -> None:
        """Put what was found out into the record.

        Raises:
            OSError: The store does not take it; to be called again.
        """
        while self._measured:
            name, entry, listing = self._measured[0]
            if listing is not None and len(listing) <= LISTED_AT_MOST:
                listing.write(self._folder)
            self._document.data[name] = entry
            self._measured.popleft()
            self._changed()

    def _compared(self, name: str, entry: dict[str, Any], listing: Listing) -> dict[str, Any]:
        """The entry with what it was before, or that of before where nothing changed since."""
        before = entry["earlier"][-1] if entry["earlier"] else None
        if before is None:
            return entry
        if before["fingerprint"] == listing.fingerprint:
            return {**entry, "attempt": before["attempt"], "earlier": entry["earlier"][:-1]}
        try:
            change = compare_listings(Listing.read(self._folder, before["fingerprint"]), listing).sentence
        except (RunfolioError, OSError):
            change = f"which items is not known; {before['items']} before, {len(listing)} now"
        log.warning(
            "run %s: data %r is not what this run was given before (attempt %d): %s; both fingerprints are recorded",
            self._document.id,
            name,
            before["attempt"],
            change,
        )
        return entry


def _earlier(before: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """What data of one name was before, the newest last; of what had no fingerprint nothing is known."""
    if before is None:
        return []
    earlier: list[dict[str, Any]] = list(before.get("earlier") or ())
    if before.get("fingerprint"):
        earlier.append({key: before.get(key) for key in ("fingerprint", "items", "bytes", "source", "attempt")})
    return earlier[-_EARLIER_AT_MOST:]


def _measurement(data: Any) -> Callable[[], Measured]:
    """What finds out about data, on another thread. Of arrays, which may change, it is found out here and now."""
    if isinstance(data, Listing):
        return lambda: Measured(data, None)
    if isinstance(data, (str, os.PathLike)):
        return _of_path(path_of(data))
    if arrays.is_array(data) or isinstance(data, Mapping):
        measured = _listed(arrays.items(data))
        return lambda: measured
    if isinstance(data, (list, tuple, set, frozenset)):
        paths = [path_of(path) for path in data if isinstance(path, (str, os.PathLike))]
        if paths and len(paths) == len(data):
            return _of_paths(paths)
    elif callable(data) and not hasattr(data, "__getitem__"):
        return lambda: Measured(_checked(data()), None)
    raise ConfigError(
        f"log_data takes a file or folder, a list of files, arrays or tensors (also in dicts), a runfolio.Listing or a"
        f" function that makes one; not a {type(data).__name__}, whose items it would have to read one by one: give"
        " what it reads, or a Listing of (name, digest, label)"
    )


def _checked(listing: Any) -> Listing:
    if not isinstance(listing, Listing):
        raise ConfigError(f"the function made a {type(listing).__name__}, no runfolio.Listing")
    return listing


def _listed(items_and_size: tuple[list[Item], int]) -> Measured:
    items, size = items_and_size
    return Measured(Listing(items), size)


def _of_path(path: Path) -> Callable[[], Measured]:
    path = path.absolute()
    if not path.exists():
        raise NotFound(f"no file or folder {path} to take a fingerprint of; check the path")
    if path.is_dir():
        return lambda: _listed(hashing.items(path, hashing.files_below(path)))
    return lambda: _listed(hashing.items(path.parent, [path.name]))


def _of_paths(paths: list[Path]) -> Callable[[], Measured]:
    """Files by their names below the folder that holds them all."""
    paths = [path.absolute() for path in paths]
    root = Path(os.path.commonpath([path.parent for path in paths]))
    return lambda: _listed(hashing.items(root, [path.relative_to(root).as_posix() for path in paths]))


def _source(data: Any) -> str | None:
    """Where data comes from, for people, where nobody says."""
    if isinstance(data, (str, os.PathLike)):
        return str(path_of(data).absolute())
    return f"{str(data.dtype).removeprefix('torch.')} {list(data.shape)}" if arrays.is_array(data) else None
