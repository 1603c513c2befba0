"""Recording of the data sets that a run uses (`run.log_data`). Their fingerprints, hashes of the content, are computed
during training."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from runfolio.errors import ConfigError, NotFound, RunfolioError
from runfolio.record.base.redaction import redact_text
from runfolio.record.base.run_document import RunDocument
from runfolio.record.base.run_parts import GivenData
from runfolio.record.content import hashing
from runfolio.record.content.data_listings import LISTED_AT_MOST, Item, Listing, compare_listings
from runfolio.tracking.pipeline import arrays
from runfolio.tracking.pipeline.background_log import log
from runfolio.tracking.pipeline.plain_texts import describe_error, path_of, shorten, text_of

NAMES_AT_MOST, _NAME_LENGTH = 100, 100
_HISTORY_AT_MOST = 100


class Measurement(NamedTuple):
    """List of the items of a data set, and its size in bytes if the size is known."""

    listing: Listing
    bytes: int | None


class DataLog:
    """Recorder that fills the section `data` of the run document (`run.json`), and the folder `data/`.

    The training thread calls `add`, separate threads call `measure`, and the store thread calls `save`.
    """

    def __init__(self, folder: Path, document: RunDocument, changed: Callable[[], None]) -> None:
        """Create a recorder.

        Args:
            changed: Function that is called when the run document must be saved.
        """
        self._folder = folder
        self._document = document
        self._changed = changed
        self._last_measured = {name: entry for name, entry in document.data.items() if entry.get("fingerprint")}
        """Last entry that has a fingerprint, keyed by the name of the data set."""
        self._waiting: deque[tuple[str, GivenData, Callable[[], Measurement]]] = deque()
        self._lock = threading.Lock()
        self._measured: deque[tuple[str, GivenData, Listing | None]] = deque()

    def add(self, name: str, data: Any, source: str | None) -> None:
        """Add a data set. `measure` computes its fingerprint later.

        Raises:
            ConfigError: The data cannot be fingerprinted, or its name is invalid.
            NotFound: `data` is a path that does not exist.
        """
        entries = self._document.data
        if not issubclass(type(name), str) or not 0 < len((name := str.__str__(name)).strip()) <= _NAME_LENGTH:
            raise ConfigError(
                f"the name of data must be a string of 1 to {_NAME_LENGTH} characters, such as 'train',"
                f" not {shorten(name)}"
            )
        if name not in entries and len(entries) >= NAMES_AT_MOST:
            raise ConfigError(f"a run has at most {NAMES_AT_MOST} data sets; combine several under one name")
        measured = _measure_function(data)
        entry: GivenData = {
            "fingerprint": None,
            "items": None,
            "bytes": None,
            "source": redact_text(text_of(source, "source")) if source is not None else _source(data),
            "trouble": None,
            "attempt": self._document.attempts[-1].attempt,
            "earlier": _history(entries.get(name)),
        }
        entries[name] = entry
        self._waiting.append((name, entry, measured))
        self._changed()

    def measure(self) -> None:
        """Compute the fingerprint of the first data set in the queue."""
        with self._lock:
            name, waiting, measured = self._waiting.popleft()
            entry: GivenData = {**waiting, "earlier": _history(self._last_measured.get(name))}
            listing = None
            try:
                listing, size = measured()
                entry |= {"fingerprint": listing.fingerprint, "items": len(listing), "bytes": size}
                entry = self._last_measured[name] = self._with_history(name, entry, listing)
            except Exception as error:  # a user's function may raise any error
                entry["trouble"] = trouble = describe_error(error)
                log.warning("run %s: data %r has no fingerprint: %s", self._document.id, name, trouble)
            self._measured.append((name, entry, listing))

    def save(self) -> None:
        """Write the new fingerprints to the record.

        Raises:
            OSError: The store cannot be written. The caller must try again later.
        """
        while self._measured:
            name, entry, listing = self._measured[0]
            if listing is not None and len(listing) <= LISTED_AT_MOST:
                listing.write(self._folder)
            self._document.data[name] = entry
            self._measured.popleft()
            self._changed()

    def _with_history(self, name: str, entry: GivenData, listing: Listing) -> GivenData:
        """Return the entry of a data set with its earlier versions. Unchanged data does not count as a new version."""
        earlier = entry.get("earlier", [])
        before = earlier[-1] if earlier else None
        if before is None:
            return entry
        attempt, fingerprint = before.get("attempt", 1), before.get("fingerprint") or ""
        if fingerprint == listing.fingerprint:
            return {**entry, "attempt": attempt, "earlier": earlier[:-1]}
        try:
            change = compare_listings(Listing.read(self._folder, fingerprint), listing).sentence
        except (RunfolioError, OSError):
            change = f"the changed items are unknown; {before.get('items')} before, {len(listing)} now"
        log.warning(
            "run %s: data %r differs from the data of attempt %d: %s; both fingerprints are recorded",
            self._document.id,
            name,
            attempt,
            change,
        )
        return entry


def _history(before: GivenData | None) -> list[GivenData]:
    """Return the versions of a data set up to and including the entry `before`, newest last. Omit versions without a
    fingerprint."""
    if before is None:
        return []
    earlier = list(before.get("earlier") or ())
    if before.get("fingerprint"):
        version = {key: before.get(key) for key in ("fingerprint", "items", "bytes", "source", "attempt")}
        earlier.append(cast("GivenData", version))
    return earlier[-_HISTORY_AT_MOST:]


def _measure_function(data: Any) -> Callable[[], Measurement]:
    """Return a function that another thread calls to compute the fingerprint. Arrays may change later, so they are
    hashed before the function is returned."""
    if isinstance(data, Listing):
        return lambda: Measurement(data, None)
    if isinstance(data, (str, os.PathLike)):
        return _path_measure(path_of(data))
    if arrays.is_array(data) or isinstance(data, Mapping):
        return _arrays_measure(data)
    if isinstance(data, (list, tuple, set, frozenset)):
        paths = [path_of(path) for path in data if isinstance(path, (str, os.PathLike))]
        if paths and len(paths) == len(data):
            return _paths_measure(paths)
        if isinstance(data, (list, tuple)) and data and all(map(arrays.is_array, data)):
            return _arrays_measure({str(index): array for index, array in enumerate(data)})
    elif callable(data) and not hasattr(data, "__getitem__"):
        return lambda: Measurement(_check_listing(data()), None)
    raise ConfigError(
        "log_data takes a file, a folder, a list of files, arrays, tensors (also in dicts), a runfolio.Listing or"
        " a function that returns a Listing. For a {type(data).__name__}, pass the files or arrays that it reads,"
        " or a Listing of (name, digest, label)"
    )


def _arrays_measure(data: Any) -> Callable[[], Measurement]:
    measured = _measure_items(arrays.items(data))
    return lambda: measured


def _check_listing(listing: Any) -> Listing:
    if not isinstance(listing, Listing):
        raise ConfigError(f"the function returned a {type(listing).__name__}, not a runfolio.Listing")
    return listing


def _measure_items(items_and_size: tuple[list[Item], int]) -> Measurement:
    items, size = items_and_size
    return Measurement(Listing(items), size)


def _path_measure(path: Path) -> Callable[[], Measurement]:
    path = path.absolute()
    if not path.exists():
        raise NotFound(f"there is no file or folder {path} to fingerprint; check the path")
    if path.is_dir():
        return lambda: _measure_items(hashing.items(path, hashing.files_below(path)))
    return lambda: _measure_items(hashing.items(path.parent, [path.name]))


def _paths_measure(paths: list[Path]) -> Callable[[], Measurement]:
    """Return a function that lists files by their names relative to their common folder."""
    paths = [path.absolute() for path in paths]
    root = Path(os.path.commonpath([path.parent for path in paths]))
    return lambda: _measure_items(hashing.items(root, [path.relative_to(root).as_posix() for path in paths]))


def _source(data: Any) -> str | None:
    """Return the default description of the data's origin."""
    if isinstance(data, (str, os.PathLike)):
        return str(path_of(data).absolute())
    return f"{str(data.dtype).removeprefix('torch.')} {list(data.shape)}" if arrays.is_array(data) else None
