"""Where the random numbers begin, as far as it can be asked without importing or disturbing anything."""

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
"""Seeds that were set while this thread or task had no open run: those of the run that it opens next."""


def keep_for_next_run(values: Mapping[str, Any]) -> None:
    """Keep the seeds of generators until this thread or task opens a run."""
    _pending.set({**_pending.get(), **values})


def _take_pending() -> Mapping[str, Any]:
    """Return what `keep_for_next_run` kept, once: a later run does not begin with these seeds."""
    values = _pending.get()
    _pending.set({})
    return values


def seeds() -> dict[str, Any]:
    """The seed of `seed_everything`, `PYTHONHASHSEED`, torch's seed, and digests of the states of `random` and NumPy.

    Two runs that began with the same seed have the same digest; the seed itself these generators do not keep.
    """
    values: dict[str, Any] = {
        **_take_pending(),
        "PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED"),
        **torch_seed(),
    }
    with suppress(Exception):  # not imported, or a file of the user's of that name
        values["random"] = _digest(repr(sys.modules["random"].getstate()).encode())
    with suppress(Exception):
        values["numpy"] = _digest(repr(_plain(sys.modules["numpy.random"].get_state(legacy=False))).encode())
    return values


def torch_seed() -> dict[str, Any]:
    """The seed torch was last given; empty where it is not there, or just being imported by another thread."""
    with suppress(Exception):
        return {"torch": sys.modules["torch"].initial_seed()}
    return {}


def _plain(value: Any) -> Any:
    """A state as lists and numbers, arrays in full."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value


def _digest(state: bytes) -> str:
    return f"state {hashlib.sha256(state).hexdigest()[:16]}"
