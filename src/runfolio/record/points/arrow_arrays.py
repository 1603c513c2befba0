"""Conversion between NumPy and Arrow without loading pandas.

Arrow's own functions (`pa.array`, `to_numpy`, comparisons) import pandas to check whether it is installed. This check
takes longer than all other work of a reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

TIME = pa.timestamp("us", "UTC")
"""Arrow type of table columns that contain times."""


def to_numpy(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Convert an Arrow array [n] of numbers without nulls to NumPy. An array with a single chunk is not copied."""
    if isinstance(column, pa.ChunkedArray):
        pieces = [np.from_dlpack(chunk) for chunk in column.chunks]
        return np.concatenate(pieces) if len(pieces) != 1 else pieces[0]
    return np.from_dlpack(column)


def from_numpy(numbers: NDArray[Any]) -> pa.Array:
    """Convert a NumPy array [n] of numbers to Arrow. A contiguous array is not copied."""
    numbers = np.ascontiguousarray(numbers)
    return pa.Array.from_buffers(_TYPES[numbers.dtype.str[1:]], len(numbers), [None, pa.py_buffer(numbers)])


def with_missing(numbers: NDArray[Any], present: NDArray[np.bool_]) -> pa.Array:
    """Convert a NumPy array [n] of numbers to Arrow. An entry becomes null where `present`, [n], is false."""
    bits = pa.py_buffer(np.packbits(present, bitorder="little"))
    return pa.Array.from_buffers(_TYPES[numbers.dtype.str[1:]], len(numbers), [bits, pa.py_buffer(numbers)])


def times(microseconds: NDArray[np.int64]) -> pa.Array:
    """Convert microseconds since 1970, [n], to times in UTC."""
    return from_numpy(microseconds).view(TIME)


def texts(values: Sequence[str]) -> pa.Array:
    """Convert strings to an Arrow array."""
    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(encoded), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))])


def decode_dictionary(column: pa.DictionaryArray) -> tuple[NDArray[np.int32], list[str]]:
    """Return the code of each row, and a list of strings. A code is an index into the list.

    Raises:
        ArrowInvalid: A code has no matching string.
    """
    codes, values = to_numpy(column.indices), column.dictionary.to_pylist()
    # If a page of the file is damaged, Arrow may return too few strings.
    if codes.size and (codes.min() < 0 or codes.max() >= len(values)):
        raise pa.ArrowInvalid("a dictionary code has no matching string")
    return codes, values


def repeated_texts(values: Sequence[str], counts: Sequence[int]) -> pa.DictionaryArray:
    """Return an array that repeats each string as often as `counts` states."""
    codes = {text: code for code, text in enumerate(dict.fromkeys(values))}
    indices = np.repeat(np.array([codes[text] for text in values], np.int32), np.array(counts, np.int64))
    return pa.DictionaryArray.from_arrays(from_numpy(indices), texts(list(codes)))


_TYPES = {"i4": pa.int32(), "i8": pa.int64(), "f4": pa.float32(), "f8": pa.float64()}
