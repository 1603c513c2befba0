"""How much of the disk kept features and pixels may take: what was not used for longest goes first."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from runfolio.errors import ConfigError
from runfolio.record.base import files
from runfolio.record.base.cache_folder import cache_folder
from runfolio.record.base.record_path import HIDDEN
from runfolio.vision.batches.cache_keys import digest_of
from runfolio.vision.batches.cache_rows import RowStore, is_row_store, last_used, remove_unused

FEATURES, PIXELS = "features", "pixels"
BUDGETED_KINDS = (FEATURES, PIXELS)
"""The kinds of the cache that the budget is for."""
BUDGET_BYTES = 10_000_000_000
RESERVED_BYTES = 1_000_000_000
"""So much of the disk is left to others, runs among them."""

_BUDGET_FILE = "budget"
_ABOUT_FILE = "about.json"
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


class CacheUnavailable(Exception):  # noqa: N818 - a turn in the road, not an error anybody sees
    """Nothing can be kept; the message says why, as half a sentence. Training goes on without."""


class _CacheEntry(NamedTuple):
    last_used: float
    size: int
    folder: Path


def parse_size(text: str) -> int:
    """A size as people write it (`5GB`, `500 MB`, `0`), in bytes.

    Raises:
        ConfigError: It is none.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?b?)\s*", text.lower())
    unit = _UNITS.get(match[2] if match[2] in _UNITS else f"{match[2]}b") if match else None
    if match is None or unit is None:
        raise ConfigError(f"{text!r} is no size; give a number with kB, MB, GB or TB behind it, such as 5GB")
    return round(float(match[1]) * unit)


def cache_budget() -> int:
    """Bytes that kept features and pixels may take: `$RUNFOLIO_CACHE_BUDGET`, else what `set_budget` said, else 10 GB.

    Raises:
        ConfigError: It is no size.
    """
    if size := os.environ.get("RUNFOLIO_CACHE_BUDGET"):
        return parse_size(size)
    cache = cache_folder()
    try:
        return parse_size((cache / _BUDGET_FILE).read_text()) if cache else BUDGET_BYTES
    except (OSError, UnicodeError):
        return BUDGET_BYTES


def set_budget(size: int) -> None:
    """Let kept features and pixels take so many bytes from now on.

    Raises:
        OSError: It cannot be written down.
    """
    if cache := cache_folder():
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.replace(cache / _BUDGET_FILE, lambda path: path.write_text(f"{size}\n"))


def evict_to_fit(requested: int) -> int:
    """How many of so many bytes may be added, after what was used longest ago has been removed for them."""
    entries = sorted(_entries())
    used_bytes = sum(entry.size for entry in entries)
    limit = min(cache_budget(), used_bytes + _free_bytes() - RESERVED_BYTES)
    for entry in entries if requested <= limit else ():
        if used_bytes + requested <= limit:
            break
        with contextlib.suppress(OSError):
            if remove_unused(entry.folder):
                used_bytes -= entry.size
    return max(0, min(requested, limit - used_bytes))


def open_row_store(kind: str, about: Mapping[str, Any], row_bytes: int) -> RowStore:
    """The rows of what `about` describes.

    Raises:
        CacheUnavailable: There is no folder for them, or it cannot be made.
    """
    cache = cache_folder()
    if cache is None:
        raise CacheUnavailable("there is no folder for caches; set RUNFOLIO_CACHE to one")
    content = orjson.dumps({**about, "row_bytes": row_bytes}, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
    folder = cache / kind / digest_of(content)
    try:
        rows = RowStore(folder, row_bytes)
        if not (folder / _ABOUT_FILE).exists():
            files.replace(folder / _ABOUT_FILE, lambda path: path.write_bytes(content))
    except OSError as error:
        raise CacheUnavailable(f"{folder} cannot be used: {error.strerror}") from None
    return rows


def _entries() -> Iterator[_CacheEntry]:
    cache = cache_folder()
    for kind in BUDGETED_KINDS:
        for folder in (cache / kind).glob("*") if cache else ():
            if folder.name.startswith(HIDDEN):  # its removal was broken off
                shutil.rmtree(folder, ignore_errors=True)
            elif is_row_store(folder):
                with contextlib.suppress(OSError):
                    size = sum(file.stat().st_size for file in folder.iterdir())
                    yield _CacheEntry(last_used(folder), size, folder)


def _free_bytes() -> int:
    cache = cache_folder()
    try:
        return shutil.disk_usage(cache).free if cache else 0
    except OSError:
        return 0
