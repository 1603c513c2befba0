"""Between NumPy and Arrow without pandas.

Arrow's own ways (`pa.array`, `to_numpy`, comparisons) ask whether pandas is installed by importing it, which takes a
reader longer than all else it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def to_numpy(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Numbers without gaps, [n], as a view of Arrow's memory where they lie in one piece."""
    if isinstance(column, pa.ChunkedArray):
        pieces = [np.from_dlpack(chunk) for chunk in column.chunks]
        return np.concatenate(pieces) if len(pieces) != 1 else pieces[0]
    return np.from_dlpack(column)


def from_numpy(numbers: NDArray[Any]) -> pa.Array:
    """Numbers, [n], as Arrow's, which share their memory."""
    numbers = np.ascontiguousarray(numbers)
    return pa.Array.from_buffers(_TYPES[numbers.dtype.str[1:]], len(numbers), [None, pa.py_buffer(numbers)])


def texts(values: Sequence[str]) -> pa.Array:
    """Texts as Arrow's."""
    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(encoded), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))])


_TYPES = {"i4": pa.int32(), "i8": pa.int64(), "f8": pa.float64()}
