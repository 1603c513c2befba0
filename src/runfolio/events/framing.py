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
    return b"".join((length, _CHECKSUM.pack(masked(length)), data, _CHECKSUM.pack(masked(data))))


def masked(data: bytes | memoryview) -> int:
    crc = crc32c.crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFF_FFFF


def records(data: bytes | mmap.mmap, problems: list[str]) -> Iterator[bytes]:
    """Every record whose checksum is right, also those behind damage; `problems` gets a line for each gap.

    A record that is not there to its end is still being written, and is no problem.
    """
    place = 0
    while place + _LENGTH.size <= len(data):
        size, checksum = _LENGTH.unpack_from(data, place)
        if size > _LARGEST or masked(data[place : place + 8]) != checksum:
            following = _next_record(data, place + 1)
            problems.append(f"{following - place} bytes at offset {place} are not a record")
            place = following
            continue
        end = place + _FRAME + size
        if end > len(data):
            return
        content = data[place + _LENGTH.size : end - _CHECKSUM.size]
        if masked(content) == _CHECKSUM.unpack_from(data, end - _CHECKSUM.size)[0]:
            yield content
        else:
            problems.append(f"the record at offset {place} is damaged")
        place = end


def _next_record(data: bytes | mmap.mmap, place: int) -> int:
    """Where the next length with a right checksum stands; the end of the data where there is none."""
    for found in _PLAUSIBLE_LENGTH.finditer(data, place):
        start = found.start()
        if start + _LENGTH.size <= len(data):
            size, checksum = _LENGTH.unpack_from(data, start)
            if size <= _LARGEST and masked(data[start : start + 8]) == checksum:
                return start
    return len(data)
