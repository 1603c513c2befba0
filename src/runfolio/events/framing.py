"""Layout of records in an event file (TFRecord): length, checksum of the length, data, checksum of the data.

Source: tensorboard/compat/tensorflow_stub/pywrap_tensorflow.py.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from runfolio.events.checksums import masked_crc

HEADER = 12
"""Number of bytes before the data of a record."""
FOOTER = 4
"""Number of bytes after the data of a record."""
_LENGTH = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_LARGEST = 1 << 27
"""Maximum number of data bytes in a record. Larger records are skipped, so that they cannot exhaust the memory."""
_MOST_RECORDS = 1 << 18
"""Maximum number of records in a block."""
_BLOCK_BYTES = 1 << 23
_MOST_SIZES = 1 << 16
_ZEROS = re.compile(rb"\0{4,}")
"""Pattern of the upper half of a length, which is zero in every record."""


class Block(NamedTuple):
    """Consecutive records of a file. The checksums of their lengths are valid, but the checksums of their data have not
    been compared yet."""

    data: bytes
    """Part of the file that contains the records."""
    offset: int
    """Offset of `data` in the file."""
    starts: list[int]
    """Offset of each record in `data`."""
    end: int
    """Offset in the file after the last record."""
    problems: list[str]
    """Descriptions of the damaged parts."""


def frame(data: bytes) -> bytes:
    """Return `data` as one record."""
    length = len(data).to_bytes(8, "little")
    return b"".join((length, _CHECKSUM.pack(masked_crc(length)), data, _CHECKSUM.pack(masked_crc(data))))


def is_intact(data: bytes, start: int) -> bool:
    """Return whether the data of the record at offset `start` matches its checksum."""
    begin, end = start + HEADER, start + HEADER + _LENGTH.unpack_from(data, start)[0]
    return masked_crc(data[begin:end]) == _CHECKSUM.unpack_from(data, end)[0]


def content(data: bytes, start: int) -> bytes:
    """Return the data of the record at offset `start`."""
    return data[start + HEADER : start + HEADER + _LENGTH.unpack_from(data, start)[0]]


def read_blocks(file: BinaryIO, offset: int = 0, block_bytes: int = _BLOCK_BYTES) -> Iterator[Block]:
    """Yield the records of a file in blocks, from the record at `offset` to the end of the file.

    Damaged parts are skipped. An incomplete record at the end is not returned and does not count as a problem, because
    another process may still be writing it. The memory in use does not depend on the size of the file.
    """
    file.seek(offset)
    scanner = _Scanner(offset)
    data, wanted, is_last = b"", block_bytes, False
    while True:
        if wanted:
            more = file.read(max(wanted - len(data), 1))
            data += more
            is_last = not more
        block, position, wanted = scanner.scan(data, offset, is_last=is_last)
        if block.starts or block.problems:
            yield block
        if wanted and is_last:
            return
        data, offset = data[position:], offset + position
        wanted = wanted and max(wanted, block_bytes)


class _Scanner:
    """Search for records that continues from block to block."""

    def __init__(self, offset: int) -> None:
        self._end = offset
        self._gap: int | None = None
        """Offset in the file of a damaged part whose end is not known yet."""
        self._searched = offset
        """Offset in the file before which damaged records have been searched for other records."""
        self._sizes: dict[bytes, int] = {}
        """Size of a record in bytes, by its header. Only valid headers are included."""

    def scan(self, data: bytes, offset: int, *, is_last: bool) -> tuple[Block, int, int]:
        """Find the records in `data`, which starts at `offset` in the file.

        Return the block, the number of bytes that are done, and the number of bytes that are needed to continue. The
        last number is 0 if the block is full and `data` may have more records.
        """
        starts: list[int] = []
        problems: list[str] = []
        position = 0
        while True:
            if self._gap is not None:
                position, is_found = self._next_record(data, position)
                if not is_found:
                    wanted = HEADER
                    break
                problems.append(self._end_gap(offset + position))
            position, wanted = self._follow(data, position, starts)
            if wanted is not None:
                break
            if starts and self._is_misleading(data, offset, starts[-1], position):
                self._searched = offset + position
                position = starts.pop()
            self._gap = offset + position
            position += 1
        if starts:
            self._end = offset + starts[-1] + self._sizes[data[starts[-1] : starts[-1] + HEADER]]
        if is_last and wanted and self._gap is not None:
            problems.append(self._end_gap(offset + len(data)))
        return Block(data, offset, starts, self._end, problems), position, wanted

    def _follow(self, data: bytes, position: int, starts: list[int]) -> tuple[int, int | None]:
        """Append the offsets of consecutive complete records to `starts`.

        Return the offset after these records, and the number of bytes that the next record needs. This number is 0 if
        the block is full, and None if the next bytes are not a record.
        """
        # This loop runs once per record. It therefore compares offsets with the size of the data only at the end.
        sizes, append = self._sizes, starts.append
        first = len(starts)
        for _ in range(_MOST_RECORDS - first):
            header = data[position : position + HEADER]
            size = sizes.get(header) or self._size(header)
            if not size:
                break
            append(position)
            position += size
        if position > len(data):
            size = position - starts[-1]
            return starts.pop(), size
        if len(starts) == _MOST_RECORDS:
            return position, 0
        return position, HEADER if len(data) < position + HEADER else None

    def _size(self, header: bytes) -> int:
        """Return the number of bytes of the record with this header, or 0 if the header is not valid."""
        if len(header) < HEADER:
            return 0
        length, checksum = _LENGTH.unpack(header)
        if length > _LARGEST or masked_crc(header[:8]) != checksum:
            return 0
        if len(self._sizes) >= _MOST_SIZES:
            self._sizes.clear()
        self._sizes[header] = size = HEADER + length + FOOTER
        return size

    def _is_misleading(self, data: bytes, offset: int, start: int, end: int) -> bool:
        """Return whether the record at `start` is damaged and may contain the beginning of other records.

        The bytes at `end`, which follow the last record, are not a record. Parts of the file that were searched already
        are not searched again, because nested records could require a search for each of them.
        """
        is_adjacent = start + self._sizes.get(data[start : start + HEADER], 0) == end
        return is_adjacent and offset + start >= self._searched and not is_intact(data, start)

    def _next_record(self, data: bytes, position: int) -> tuple[int, bool]:
        """Return the offset of the next valid header with a length above 0, and whether there is one.

        Without such a header, the returned offset is that of the last bytes, which may be the beginning of a header.
        """
        for zeros in _ZEROS.finditer(data, position):
            for start in range(max(zeros.start() - 4, position), zeros.start()):
                if start + 8 <= zeros.end() and self._size(data[start : start + HEADER]):
                    return start, True
        return max(position, len(data) - HEADER + 1), False

    def _end_gap(self, end: int) -> str:
        start, self._gap = self._gap or 0, None
        return f"{end - start} bytes at offset {start} are not a record"
