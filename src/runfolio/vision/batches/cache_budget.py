"""Limit on the disk space for cached features and pixels. If more space is needed, the least recently used folders are
removed first."""

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
from runfolio.record.base.cache_folder import cache_folder, create_folder
from runfolio.record.base.record_path import HIDDEN
from runfolio.vision.batches.cache_keys import digest_of
from runfolio.vision.batches.cache_rows import RowStore, is_row_store, last_used, remove_unused

FEATURES, PIXELS = "features", "pixels"
BUDGETED_KINDS = (FEATURES, PIXELS)
"""Kinds of cache entries that count towards the budget."""
BUDGET_BYTES = 10_000_000_000
RESERVED_BYTES = 1_000_000_000
"""Disk space that the cache leaves free, in bytes."""

_BUDGET_FILE = "budget"
_ABOUT_FILE = "about.json"
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


class CacheUnavailable(Exception):  # noqa: N818 - not an error: training continues without the cache
    """Raised if nothing can be cached. The message contains only the reason, without a period."""


class _CacheEntry(NamedTuple):
    last_used: float
    size: int
    folder: Path


def parse_size(text: str) -> int:
    """Parse a size such as `5GB`, `500 MB` or `0`, and return it in bytes.

    Raises:
        ConfigError: The string is not a size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?b?)\s*", text.lower())
    unit = _UNITS.get(match[2] if match[2] in _UNITS else f"{match[2]}b") if match else None
    if match is None or unit is None:
        raise ConfigError(f"{text!r} is not a size; give a number followed by kB, MB, GB or TB, such as 5GB")
    return round(float(match[1]) * unit)


def cache_budget() -> int:
    """Return the budget in bytes. `$RUNFOLIO_CACHE_BUDGET` overrides the value saved by `set_budget`. The default is 10
    GB.

    Raises:
        ConfigError: The configured value is not a size.
    """
    if size := os.environ.get("RUNFOLIO_CACHE_BUDGET"):
        return parse_size(size)
    cache = cache_folder()
    try:
        return parse_size((cache / _BUDGET_FILE).read_text()) if cache else BUDGET_BYTES
    except (OSError, UnicodeError):
        return BUDGET_BYTES


def set_budget(size: int) -> None:
    """Set the disk budget for cached features and pixels.

    Args:
        size: Number of bytes.

    Raises:
        OSError: The budget file cannot be written.
    """
    if cache := cache_folder():
        create_folder(cache)
        files.replace(cache / _BUDGET_FILE, lambda path: path.write_text(f"{size}\n"))


def evict_to_fit(requested: int) -> int:
    """Remove the least recently used cache folders, but only if all `requested` bytes could then fit. Return the number
    of requested bytes that fit into the cache now."""
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


def open_row_store(kind: str, description: Mapping[str, Any], row_bytes: int) -> RowStore:
    """Open the cache folder for the values that `description` describes.

    Raises:
        CacheUnavailable: There is no cache folder, or it cannot be created or read.
    """
    cache = cache_folder()
    if cache is None:
        raise CacheUnavailable("there is no cache folder; set RUNFOLIO_CACHE to a folder")
    content = orjson.dumps({**description, "row_bytes": row_bytes}, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
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
            if folder.name.startswith(HIDDEN):  # an interrupted removal left this folder behind
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
