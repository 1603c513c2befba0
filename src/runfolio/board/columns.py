"""Binary format of answers with many numbers: a JSON head, followed by columns of float64 values.

The page `docs/board-api.md` describes the format.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

MEDIA_TYPE = "application/vnd.runfolio.columns"
_LENGTH = struct.Struct("<I")
_ALIGNMENT = 8
"""Alignment of the numbers, in bytes. A browser can use aligned numbers without copying them."""


class Columns:
    """Columns of one binary answer. The JSON head refers to each column by its offset."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._count = 0

    def add(self, column: NDArray[np.float64]) -> int:
        """Add a column, and return its offset, which is the number of values before it."""
        offset = self._count
        self._parts.append(np.asarray(column, "<f8").tobytes())
        self._count += len(column)
        return offset

    def encode(self, head: Mapping[str, Any]) -> bytes:
        """Return the answer: the length of the head, the head padded with spaces, and all numbers."""
        text = orjson.dumps(head)
        text += b" " * (-(_LENGTH.size + len(text)) % _ALIGNMENT)
        return b"".join((_LENGTH.pack(len(text)), text, *self._parts))


def decode(content: bytes) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Return the head and all numbers of an encoded answer."""
    start = _LENGTH.size + _LENGTH.unpack_from(content)[0]
    return orjson.loads(content[_LENGTH.size : start]), np.frombuffer(content, "<f8", offset=start)
