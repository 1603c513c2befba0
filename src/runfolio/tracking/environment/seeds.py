"""Where the random numbers begin, as far as it can be asked without importing or disturbing anything."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from typing import Any

from runfolio.tracking.checkpointing import seeding


def seeds() -> dict[str, Any]:
    """The seed of `seed_everything`, `PYTHONHASHSEED`, torch's seed, and digests of the states of `random` and NumPy.

    Two runs that began with the same seed have the same digest; the seed itself these generators do not keep.
    """
    values: dict[str, Any] = {
        **seeding.take_seeds(),
        "PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED"),
        **torch_seed(),
    }
    with suppress(KeyError, AttributeError):
        values["random"] = _digest(repr(sys.modules["random"].getstate()).encode())
    with suppress(KeyError, AttributeError):
        values["numpy"] = _digest(repr(_plain(sys.modules["numpy.random"].get_state(legacy=False))).encode())
    return values


def torch_seed() -> dict[str, Any]:
    """The seed torch was last given; empty where it is not there, or just being imported by another thread."""
    with suppress(KeyError, AttributeError):
        return {"torch": sys.modules["torch"].initial_seed()}
    return {}


def _plain(value: Any) -> Any:
    """A state as lists and numbers, arrays in full."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value


def _digest(state: bytes) -> str:
    return f"state {hashlib.sha256(state).hexdigest()[:16]}"
