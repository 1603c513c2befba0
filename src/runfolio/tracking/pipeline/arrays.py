"""Digests of arrays and tensors, which identify the items of a data set. A digest covers dtype, shape and bytes."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from runfolio.errors import ConfigError
from runfolio.record.content.data_listings import Item
from runfolio.tracking.pipeline.plain_texts import text_of

SINGLE = "array"
"""Name of the item if `data` is a single array."""


def is_array(value: Any) -> bool:
    return _is(value, "numpy", "ndarray") or _is(value, "torch", "Tensor")


def _is(value: Any, package: str, kind: str) -> bool:
    module: Any = sys.modules.get(package)
    return module is not None and isinstance(value, getattr(module, kind))


def items(data: Any) -> tuple[list[Item], int]:
    """Return an item (name and digest) for each array in `data`, and the total size of the arrays in bytes.

    Equal arrays result in equal items. The items do not depend on the type (NumPy array or torch tensor), memory
    layout, byte order or device of the arrays.

    Args:
        data: An array, a tensor, or nested dicts of arrays and tensors.
    Raises:
        ConfigError: A value is not an array, or its elements cannot be read.
    """
    entries, size = [], 0
    for name, value in _named(data, ""):
        entries.append(Item(name, digest(value, name)))
        size += value.nbytes
    return entries, size


def digest(value: Any, name: str = SINGLE) -> str:
    """Return the digest of an array or tensor. It covers dtype, shape and values (`docs/format.md`, Data).

    Raises:
        ConfigError: The elements of `value` cannot be read. The message contains `name`.
    """
    array, kind = _plain(value, name)
    content = hashlib.blake2b(orjson.dumps([kind, list(value.shape)]) + b"\n", digest_size=16)
    content.update(memoryview(array) if array.nbytes else b"")
    return content.hexdigest()


def _named(data: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from _named(value, f"{name}/{text_of(key, 'a key')}".removeprefix("/"))
    elif is_array(data):
        yield name or SINGLE, data
    else:
        raise ConfigError(f"{name or 'data'} is a {type(data).__name__}, not an array or tensor")


def _plain(value: Any, name: str) -> tuple[Any, str]:
    """Return an array as a contiguous NumPy array of little-endian bytes, and the name of its dtype."""
    import numpy as np

    if _is(value, "torch", "Tensor"):
        kind = str(value.dtype).removeprefix("torch.")
        try:
            tensor = value.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
            array = tensor.view(_torch().uint8).numpy()
        except (RuntimeError, TypeError, NotImplementedError):
            raise ConfigError(
                f"{name} is a tensor whose elements cannot be read ({value.layout}, {kind}); pass its dense parts"
            ) from None
        return array, kind
    if value.dtype.kind not in "?biufcmMSU":
        raise ConfigError(f"{name} is an array of {value.dtype}; pass arrays of numbers, strings or times")
    array = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<")).reshape(-1)
    kind = value.dtype.name if value.dtype.kind in "?biufc" else value.dtype.newbyteorder("<").str
    return array.view(np.uint8), kind


def _torch() -> Any:
    return sys.modules["torch"]
