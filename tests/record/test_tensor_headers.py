"""Safetensors files with a false header are refused before memory is allocated for the claimed size."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runfolio.errors import DamagedFile
from runfolio.record.checkpoints.state_codec import StoredTensor, read_tensor_headers, read_tensors

WHOLE = {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}


def tensor_file(path: Path, header: Any, data: bytes = bytes(24), length: int | None = None) -> Path:
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(content) if length is None else length) + content + data)
    return path


def entry(dtype: str = "F32", shape: list[Any] | None = None, offsets: list[Any] | None = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [2, 3] if shape is None else shape, "data_offsets": offsets or [0, 24]}


LIES: dict[str, dict[str, Any]] = {
    "2^62 elements": {"a": entry(shape=[2**62])},
    "a product beyond 64 bits": {"a": entry(shape=[2**32, 2**32, 2**32])},
    "no elements, but 2^62 rows": {"a": entry(shape=[2**62, 2**62, 0], offsets=[0, 0])},
    "a negative side": {"a": entry(shape=[-2, -3])},
    "offsets behind the end": {"a": entry(shape=[2**20], offsets=[0, 2**22])},
    "offsets backwards": {"a": entry(offsets=[24, 0])},
    "overlapping tensors": {"a": entry(), "b": entry(shape=[3], offsets=[12, 24])},
    "a hole before a tensor": {"a": entry(shape=[3], offsets=[12, 24])},
    "unused bytes at the end": {"a": entry(shape=[3], offsets=[0, 12])},
    "more bytes than the shape": {"a": entry(shape=[1])},
    "an unknown dtype": {"a": entry("F33")},
    "another kind of value": {"a": [1, 2]},
}


@pytest.mark.parametrize("read", [read_tensor_headers, read_tensors])
@pytest.mark.parametrize("lie", LIES)
def test_tensor_file_with_a_lying_header_is_refused(tmp_path, lie, read: Callable[[Path], object]):
    path = tensor_file(tmp_path / "lie.safetensors", LIES[lie])

    with pytest.raises(DamagedFile, match=r"lie\.safetensors is not a complete safetensors file"):
        read(path)


@pytest.mark.parametrize("length", [0, 1, 10**6, 2**40, 2**63, 2**64 - 1])
def test_tensor_file_with_a_lying_header_length_is_refused(tmp_path, length):
    path = tensor_file(tmp_path / "lie.safetensors", WHOLE, length=length)

    with pytest.raises(DamagedFile, match=r"lie\.safetensors is not a complete safetensors file"):
        read_tensor_headers(path)


def test_headers_of_a_whole_file_are_read(tmp_path):
    path = tensor_file(tmp_path / "whole.safetensors", WHOLE)

    assert read_tensor_headers(path) == {"a": StoredTensor((2, 3), "F32")}


def test_missing_tensor_file_is_named(tmp_path):
    with pytest.raises(DamagedFile, match=r"gone\.safetensors is missing"):
        read_tensor_headers(tmp_path / "gone.safetensors")
