"""Conversion between NumPy and Arrow without pandas.

Arrow's own functions (`pa.array`, `to_numpy`, comparisons) import pandas to check whether it is installed. This check
takes longer than all other work of a reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def to_numpy(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Convert an Arrow array [n] of numbers without nulls to NumPy. A single chunk is not copied."""
    if isinstance(column, pa.ChunkedArray):
        pieces = [np.from_dlpack(chunk) for chunk in column.chunks]
        return np.concatenate(pieces) if len(pieces) != 1 else pieces[0]
    return np.from_dlpack(column)


def from_numpy(numbers: NDArray[Any]) -> pa.Array:
    """Convert a NumPy array [n] of numbers to Arrow. A contiguous array is not copied."""
    numbers = np.ascontiguousarray(numbers)
    return pa.Array.from_buffers(_TYPES[numbers.dtype.str[1:]], len(numbers), [None, pa.py_buffer(numbers)])


def texts(values: Sequence[str]) -> pa.Array:
    """Convert strings to an Arrow array."""
    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(encoded), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))])


_TYPES = {"i4": pa.int32(), "i8": pa.int64(), "f8": pa.float64()}
