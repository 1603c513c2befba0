"""Seeds of random generators. They are read without importing libraries or changing the generators' states."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

_pending: ContextVar[Mapping[str, Any]] = ContextVar("runfolio_seeds", default=MappingProxyType({}))
"""Seeds that were set while this thread or asyncio task had no open run. The next run of the thread or task records
these seeds."""


def keep_for_next_run(values: Mapping[str, Any]) -> None:
    """Store the seeds of generators until this thread or task opens a run."""
    _pending.set({**_pending.get(), **values})


def _take_pending() -> Mapping[str, Any]:
    """Return the stored seeds and clear them, because they apply to one run only."""
    values = _pending.get()
    _pending.set({})
    return values


def seeds() -> dict[str, Any]:
    """Return the known seeds: those of `seed_everything`, `PYTHONHASHSEED` and torch. Add digests of the states of
    `random` and NumPy.

    The generators of `random` and NumPy do not store their seed, but equal seeds result in equal digests.
    """
    values: dict[str, Any] = {
        **_take_pending(),
        "PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED"),
        **torch_seed(),
    }
    with suppress(Exception):  # NumPy is not imported, or a user's module has that name
        values["random"] = _digest(repr(sys.modules["random"].getstate()).encode())
    with suppress(Exception):
        values["numpy"] = _digest(repr(_plain(sys.modules["numpy.random"].get_state(legacy=False))).encode())
    return values


def torch_seed() -> dict[str, Any]:
    """Return the last seed of torch in a dict. The dict is empty if torch is missing or is being imported by another
    thread."""
    with suppress(Exception):
        return {"torch": sys.modules["torch"].initial_seed()}
    return {}


def _plain(value: Any) -> Any:
    """Convert the state of a generator to lists and numbers. Arrays become lists of all their values."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value


def _digest(state: bytes) -> str:
    return f"state {hashlib.sha256(state).hexdigest()[:16]}"
