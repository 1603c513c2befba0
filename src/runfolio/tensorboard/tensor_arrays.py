"""Conversion of TensorBoard's tensors to NumPy arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from runfolio.events.messages import Tensor

_BFLOAT16 = 14
_DTYPES = {
    1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 8: "<c8", 9: "<i8", 10: "?", _BFLOAT16: "<u2",
    17: "<u2", 18: "<c16", 19: "<f2", 22: "<u4", 23: "<u8",
}  # fmt: skip
"""NumPy dtype of each TensorFlow DataType."""
_MOST_NUMBERS = 1 << 26
"""Maximum number of elements in a tensor if the file does not contain all of them."""


def tensor_array(tensor: Tensor) -> Any:
    """Return a tensor of numbers as an array of its shape, or None if it does not contain numbers.

    Raises:
        ValueError: The number of elements does not match the shape.
    """
    dtype = _DTYPES.get(tensor.dtype)
    if dtype is None:
        return None
    sizes = tensor.tensor_shape.sizes if tensor.tensor_shape else ()
    if any(size < 0 for size in sizes):
        raise ValueError(f"its shape {list(sizes)} is invalid")
    if tensor.tensor_content:
        array = np.frombuffer(tensor.tensor_content, dtype)
    else:
        array = _listed(tensor, dtype, math.prod(sizes))
    if array.size != math.prod(sizes):
        raise ValueError(f"it has {array.size:,} elements, but its shape is {list(sizes)}")
    if tensor.dtype == _BFLOAT16:
        array = (array.astype("<u4") << 16).view("<f4")
    return array.reshape(sizes)


def _listed(tensor: Tensor, dtype: str, count: int) -> Any:
    """Return the elements of a tensor that stores them as a list of numbers. The last listed element is repeated up to
    `count` elements."""
    if count > _MOST_NUMBERS:
        raise ValueError(f"its shape has {count:,} elements, but the limit is {_MOST_NUMBERS:,}")
    values = tensor.float_val or tensor.double_val or tensor.int_val or tensor.int64_val or tensor.bool_val
    if (half := getattr(tensor, "half_val", None)) and not values:
        return _filled(np.array(half, np.int64).astype("<u2").view("<f2" if dtype == "<f2" else "<u2"), count)
    for name in ("uint32_val", "uint64_val"):
        values = values or getattr(tensor, name, [])
    return _filled(np.array(values or [0]).astype(dtype), count)


def _filled(array: Any, count: int) -> Any:
    return array[:count] if len(array) >= count else np.concatenate([array, np.repeat(array[-1:], count - len(array))])


def tensor_texts(tensor: Tensor) -> list[bytes]:
    """Return the strings of a tensor."""
    return tensor.string_val
