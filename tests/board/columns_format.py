"""Decoder of the board's binary answers. It follows `docs/board-api.md`, and shares no code with the server."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray


def decode(answer: bytes) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Return the JSON head and all numbers of an answer."""
    start = 4 + int.from_bytes(answer[:4], "little")
    assert start % 8 == 0
    return json.loads(answer[4:start]), np.frombuffer(answer[start:], "<f8")
