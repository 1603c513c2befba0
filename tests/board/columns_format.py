"""Decoder of the binary answers, written from `docs/board-api.md`."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray


def decode(answer: bytes) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Return the head and all numbers."""
    start = 4 + int.from_bytes(answer[:4], "little")
    assert start % 8 == 0
    return json.loads(answer[4:start]), np.frombuffer(answer[start:], "<f8")
