"""States of the random generators of Python, and of NumPy and torch if they are imported."""

from __future__ import annotations

import logging
import random
import struct
import sys
from collections.abc import Mapping
from typing import Any

from runfolio.errors import ConfigError

log = logging.getLogger("runfolio")
_WORDS = "<625I"
"""`struct` format for the state of Python's Mersenne Twister, which has 624 words and a position."""


def capture_states() -> dict[str, Any]:
    """Return the state of each generator as numbers, strings and tensors. GPU generators are included only if a GPU is
    in use."""
    version, words, gauss = random.getstate()
    captured: dict[str, Any] = {
        "python": {"version": version, "words": struct.pack(_WORDS, *words).hex(), "gauss": gauss},
    }
    if (numpy := sys.modules.get("numpy.random")) is not None:
        name, keys, position, has_gauss, cached = numpy.get_state(legacy=True)
        words = keys.astype("<u4").tobytes().hex()
        captured["numpy"] = {
            "name": name,
            "words": words,
            "position": position,
            "has_gauss": has_gauss,
            "gauss": cached,
        }
    if (torch := sys.modules.get("torch")) is not None:
        captured["torch"] = torch.get_rng_state()
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            captured["cuda"] = torch.cuda.get_rng_state_all()
    return captured


def restore(saved: Mapping[str, Any]) -> None:
    """Restore the generator states that `capture_states` returned. GPU states are restored only if the number of GPUs
    is the same.

    Raises:
        ConfigError: The states are invalid.
    """
    try:
        _restore(saved)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, struct.error) as error:
        raise ConfigError(f"the checkpoint's random generators cannot be restored ({error!r})") from None


def _restore(saved: Mapping[str, Any]) -> None:
    python = saved["python"]
    words = struct.unpack(_WORDS, bytes.fromhex(python["words"]))
    random.setstate((python["version"], words, python["gauss"]))
    if (numbers := saved.get("numpy")) is not None:
        import numpy as np

        keys = np.frombuffer(bytes.fromhex(numbers["words"]), dtype="<u4").astype(np.uint32)
        np.random.set_state((numbers["name"], keys, numbers["position"], numbers["has_gauss"], numbers["gauss"]))
    if "torch" in saved:
        import torch

        torch.set_rng_state(saved["torch"])
        if "cuda" in saved and torch.cuda.device_count() == len(saved["cuda"]):
            torch.cuda.set_rng_state_all(saved["cuda"])
        elif "cuda" in saved:
            log.warning(
                "the checkpoint has the random generators of %d GPUs, but this machine has %d GPUs, so random"
                " numbers drawn on a GPU will differ",
                len(saved["cuda"]),
                torch.cuda.device_count(),
            )
