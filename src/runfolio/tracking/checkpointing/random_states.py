"""The states of all random generators a training draws from: Python's, NumPy's, torch's; of those that are imported."""

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
"""Python's Mersenne Twister: 624 words, and the place in them."""


def states() -> dict[str, Any]:
    """Each generator's state, as plain values and tensors; of the GPUs once they are in use."""
    version, words, gauss = random.getstate()
    found: dict[str, Any] = {
        "python": {"version": version, "words": struct.pack(_WORDS, *words).hex(), "gauss": gauss},
    }
    if (numpy := sys.modules.get("numpy.random")) is not None:
        name, keys, position, has_gauss, cached = numpy.get_state(legacy=True)
        words = keys.astype("<u4").tobytes().hex()
        found["numpy"] = {"name": name, "words": words, "position": position, "has_gauss": has_gauss, "gauss": cached}
    if (torch := sys.modules.get("torch")) is not None:
        found["torch"] = torch.get_rng_state()
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            found["cuda"] = torch.cuda.get_rng_state_all()
    return found


def restore(found: Mapping[str, Any]) -> None:
    """Continue where `states` was taken. GPUs get theirs back where there are as many as there were.

    Raises:
        ConfigError: These are no such states.
    """
    try:
        _restore(found)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, struct.error) as error:
        raise ConfigError(f"the checkpoint's random generators cannot be restored ({error!r})") from None


def _restore(found: Mapping[str, Any]) -> None:
    python = found["python"]
    words = struct.unpack(_WORDS, bytes.fromhex(python["words"]))
    random.setstate((python["version"], words, python["gauss"]))
    if (numbers := found.get("numpy")) is not None:
        import numpy as np

        keys = np.frombuffer(bytes.fromhex(numbers["words"]), dtype="<u4").astype(np.uint32)
        np.random.set_state((numbers["name"], keys, numbers["position"], numbers["has_gauss"], numbers["gauss"]))
    if "torch" in found:
        import torch

        torch.set_rng_state(found["torch"])
        if "cuda" in found and torch.cuda.device_count() == len(found["cuda"]):
            torch.cuda.set_rng_state_all(found["cuda"])
        elif "cuda" in found:
            log.warning(
                "the checkpoint has the random generators of %d GPUs, and there are %d here: what is drawn on a GPU"
                " differs from now on",
                len(found["cuda"]),
                torch.cuda.device_count(),
            )
