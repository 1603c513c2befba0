"""Layout of records in an event file (TFRecord): length, checksum of the length, data, checksum of the data.

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
"""Maximum size of a protobuf message in bytes."""
_PLAUSIBLE_LENGTH = re.compile(rb"(?=(?!\0{4}).{4}\0{4})", re.DOTALL)
"""Pattern of the eight bytes of a length that is between 1 byte and 4 GiB."""


def frame(data: bytes) -> bytes:
    """Return `data` as one record."""
    length = len(data).to_bytes(8, "little")
    return b"".join((length, _CHECKSUM.pack(masked_crc(length)), data, _CHECKSUM.pack(masked_crc(data))))


def masked_crc(data: bytes | memoryview) -> int:
    crc = crc32c.crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFF_FFFF


def read_records(data: bytes | mmap.mmap, problems: list[str]) -> Iterator[bytes]:
    """Yield every record with a valid checksum, even after damaged bytes. Add a line to `problems` for each damaged
    part.

    An incomplete record at the end does not count as a problem, because another process may still be writing it.
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
    """Return the offset of the next length with a valid checksum, or the end of the data if there is none."""
    for match in _PLAUSIBLE_LENGTH.finditer(data, offset):
        start = match.start()
        if start + _LENGTH.size <= len(data):
            size, checksum = _LENGTH.unpack_from(data, start)
            if size <= _LARGEST and masked_crc(data[start : start + 8]) == checksum:
                return start
    return len(data)
