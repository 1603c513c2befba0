"""Settings of the memory allocators. With these settings, the server returns freed memory to the system."""

from __future__ import annotations

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Codes of three parameters of `mallopt`, a function of glibc."""
_THRESHOLD_BYTES = 131_072
_ARENAS = 2


def limit_memory() -> None:
    """Make the allocators keep little freed memory.

    By default, glibc keeps up to 64 MB of freed memory for each of many threads, and Arrow keeps a pool of its own.
    Call this function before Arrow is imported.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # this function exists only in glibc
    if mallopt is not None:
        mallopt(_ARENA_MAX, _ARENAS)
        mallopt(_MMAP_THRESHOLD, _THRESHOLD_BYTES)
        mallopt(_TRIM_THRESHOLD, _THRESHOLD_BYTES)
