"""Arrays and tensors as items of a listing: each by a digest of its dtype, shape and bytes."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from runfolio.errors import ConfigError
from runfolio.record.content.data_listings import Item
from runfolio.tracking.pipeline.plain_texts import text_of

ALONE = "array"
"""What an array is called that is no entry of a dict."""


def is_array(value: Any) -> bool:
    return _is(value, "numpy", "ndarray") or _is(value, "torch", "Tensor")


def _is(value: Any, package: str, kind: str) -> bool:
    module: Any = sys.modules.get(package)
    return module is not None and isinstance(value, getattr(module, kind))


def items(data: Any) -> tuple[list[Item], int]:
    """The arrays in an array, a tensor or nested dicts of such, and their bytes together.

    Equal arrays are equal items, be they NumPy's or torch's, in whatever layout and byte order, on whatever device.

    Raises:
        ConfigError: Something in it is no array of plain values.
    """
    listed, size = [], 0
    for name, value in _named(data, ""):
        listed.append(Item(name, digest(value, name)))
        size += value.nbytes
    return listed, size


def digest(value: Any, name: str = ALONE) -> str:
    """Of an array's or tensor's dtype, shape and values (`docs/format.md`, Data).

    Raises:
        ConfigError: It holds no plain values; `name` says whose.
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
        yield name or ALONE, data
    else:
        raise ConfigError(f"{name or 'data'} is no array or tensor, but a {type(data).__name__}")


def _plain(value: Any, name: str) -> tuple[Any, str]:
    """An array as contiguous little-endian bytes that NumPy can hold, and the name of its dtype."""
    import numpy as np

    if _is(value, "torch", "Tensor"):
        kind = str(value.dtype).removeprefix("torch.")
        try:
            tensor = value.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
            array = tensor.view(_torch().uint8).numpy()
        except (RuntimeError, TypeError, NotImplementedError):
            raise ConfigError(
                f"{name} is a tensor without plain values ({value.layout}, {kind}); give its parts"
            ) from None
        return array, kind
    if value.dtype.kind not in "?biufcmMSU":
        raise ConfigError(f"{name} is an array of {value.dtype}; give arrays of numbers, texts or times")
    array = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<")).reshape(-1)
    kind = value.dtype.name if value.dtype.kind in "?biufc" else value.dtype.newbyteorder("<").str
    return array.view(np.uint8), kind


def _torch() -> Any:
    return sys.modules["torch"]
