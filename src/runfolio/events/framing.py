"""How records lie in an event file (TFRecord): length, its checksum, the data, its checksum.

Source: tensorboard/compat/tensorflow_stub/pywrap_tensorflow.py. Checksums are CRC-32C, rotated and offset ("masked").
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator

import crc32c

_LENGTH = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_FRAME = _LENGTH.size + _CHECKSUM.size
_LARGEST = 2**31
"""Protobuf has no larger messages."""
_PLAUSIBLE_LENGTH = re.compile(rb"(?=(?!\0{4}).{4}\0{4})", re.DOTALL)
"""Eight bytes that are a length above 0 and below 4 GiB."""


def frame(data: bytes) -> bytes:
    """`data` as one record."""
    length = len(data).to_bytes(8, "little")
    return b"".join((length, _CHECKSUM.pack(masked_crc(length)), data, _CHECKSUM.pack(masked_crc(data))))


def masked_crc(data: bytes | memoryview) -> int:
    crc = crc32c.crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFF_FFFF


def read_records(data: bytes | mmap.mmap, problems: list[str]) -> Iterator[bytes]:
    """Every record whose checksum is right, also those behind damage; `problems` gets a line for each gap.

    A record that is not there to its end is still being written, and is no problem.
    """
    offset = 0
    while offset + _LENGTH.size <= len(data):
        size, checksum = _LENGTH.unpack_from(data, offset)
        if size > _LARGEST or masked_crc(data[offset : offset + 8]) != checksum:
            next_offset = _next_record(data, offset + 1)
            problems.append(f"{next_offset - offset} bytes at offset {offset} are not a record")
            offset = next_offset
            continue
        end = offset + _FRAME + size
        if end > len(data):
            return
        content = data[offset + _LENGTH.size : end - _CHECKSUM.size]
        if masked_crc(content) == _CHECKSUM.unpack_from(data, end - _CHECKSUM.size)[0]:
            yield content
        else:
            problems.append(f"the record at offset {offset} is damaged")
        offset = end


def _next_record(data: bytes | mmap.mmap, offset: int) -> int:
    """Where the next length with a right checksum stands; the end of the data where there is none."""
    for match in _PLAUSIBLE_LENGTH.finditer(data, offset):
        start = match.start()
        if start + _LENGTH.size <= len(data):
            size, checksum = _LENGTH.unpack_from(data, start)
            if size <= _LARGEST and masked_crc(data[start : start + 8]) == checksum:
                return start
    return len(data)
