"""Limits of Parquet files, checked before Arrow decodes them: a small file may claim a huge content.

Arrow reserves what a footer and the headers of pages tell it to. Here both are compared with the size of the file, and
with what a segment may hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from runfolio.record.base.file_bounds import SEGMENT, SEGMENT_FOOTER
from runfolio.record.base.record_path import RecordPath, descriptor_path

GROUP_ROWS = 1 << 20
"""Most rows of a row group (`docs/format.md`, Segments)."""
COLUMN_BYTES = 256 << 20
"""Most unpacked bytes of a column in a row group."""
_ROWS_PER_BYTE = 200
"""Most rows per byte of a file; a constant metric has about 40."""
_ZSTD_RATIO = 1 << 15
"""Largest compression ratio: a block of 4 bytes may unpack to 128 KB."""
_UNCOUNTED_BYTES = 1 << 20
"""Size of a footer that is not checked; Arrow needs up to 250 times its size in memory."""
_STRUCT_BYTES = 8
"""Smallest average size of a struct in a footer; Arrow's have about 14 bytes."""
_HEADER_BYTES = 4096
"""Largest header of a page, which repeats the page's least and greatest name."""
_TRUTH_VALUES, _INTEGERS, _BINARY, _LIST, _STRUCT = (1, 2), (4, 5, 6), 8, 9, 12
"""Types of Thrift's compact protocol."""
_UNPACKED, _PACKED = 2, 3
"""Fields of a page's header: its sizes in bytes without the header."""


class Footer(NamedTuple):
    """The footer of a Parquet file."""

    data: bytes
    """Content, followed by its length and the format's name."""
    before: bytes
    """Eight bytes before the footer."""


def open_file(path: RecordPath) -> pa.OSFile:
    """Open a Parquet file for Arrow.

    Raises:
        FileNotFoundError: It is gone.
        UnusableFile: It is a link, a device or a FIFO, or larger than any segment.
    """
    with path.open(SEGMENT) as file:
        return pa.OSFile(str(descriptor_path(file.fileno(), str(path))))


def read_footer(file: pa.OSFile) -> Footer:
    """Return the footer; if its length is wrong, the available bytes.

    Raises:
        ArrowInvalid: It is too large, or describes more than it can.
    """
    size = file.size()
    length = int.from_bytes(file.read_at(min(8, size), max(size - 8, 0))[:4], "little")
    if SEGMENT_FOOTER < length < size:
        raise pa.ArrowInvalid(f"its footer has {length:,} bytes, and such a footer at most {SEGMENT_FOOTER:,}")
    start = size - min(length + 8, size, SEGMENT_FOOTER)
    data = file.read_at(size - start, start)
    if len(data) > _UNCOUNTED_BYTES and (structs := _count_structs(data)) * _STRUCT_BYTES > len(data):
        raise pa.ArrowInvalid(f"its footer holds {structs:,} structs in {len(data):,} bytes")
    return Footer(data, file.read_at(min(8, start), max(start - 8, 0)))


def check_metadata(file: pa.OSFile, metadata: pq.FileMetaData) -> None:
    """Check the number of rows against the size of the file.

    Raises:
        ArrowInvalid: The file claims more rows than it can contain.
    """
    if metadata.num_rows > GROUP_ROWS + _ROWS_PER_BYTE * file.size():
        raise pa.ArrowInvalid(f"it says that it holds {metadata.num_rows:,} points in {file.size():,} bytes")


def check_group(file: pa.OSFile, metadata: pq.FileMetaData, group: int, columns: Sequence[str]) -> None:
    """Check some columns of a row group against the file, page by page.

    Raises:
        ArrowInvalid: A column would unpack to more than it can contain.
    """
    about = metadata.row_group(group)
    if about.num_rows > GROUP_ROWS:
        raise pa.ArrowInvalid(f"it says that a row group has {about.num_rows:,} points")
    for index in range(about.num_columns):
        column = about.column(index)
        if (name := column.path_in_schema) in columns:
            if column.compression not in ("ZSTD", "UNCOMPRESSED"):
                raise pa.ArrowInvalid(f"a column of it is packed by {column.compression}")
            needs_look = column.total_compressed_size * _ZSTD_RATIO > COLUMN_BYTES
            if needs_look and (unpacked := sum(_unpacked_sizes(file, column))) > COLUMN_BYTES:
                raise pa.ArrowInvalid(f"column {name} would take {unpacked:,} bytes in one row group")


def _unpacked_sizes(file: pa.OSFile, column: pq.ColumnChunkMetaData) -> Iterator[int]:
    """Return the unpacked size of each page of a column, from its header."""
    starts = [column.data_page_offset]
    if column.has_dictionary_page and column.dictionary_page_offset:
        starts.append(column.dictionary_page_offset)
    position, end = min(starts), min(starts) + column.total_compressed_size
    if not 0 <= position <= end <= file.size():
        raise pa.ArrowInvalid("a column is outside of the file")
    while position < end:
        fields, length = _integers(file.read_at(min(_HEADER_BYTES, end - position), position))
        if fields.get(_PACKED, -1) < 0 or fields.get(_UNPACKED, -1) < 0:
            raise pa.ArrowInvalid("a page has no size")
        yield fields[_UNPACKED]
        position += length + fields[_PACKED]


def _count_structs(footer: bytes) -> int:
    """Return the number of structs in a footer."""
    try:
        return _count(footer, 0, _STRUCT)[0]
    except (IndexError, RecursionError):
        raise pa.ArrowInvalid("its footer is damaged") from None


def _count(data: bytes, position: int, kind: int) -> tuple[int, int]:
    """Return the number of structs in a value, and the position of its end."""
    if kind == _STRUCT:
        count = 1
        while head := data[position]:
            position = position + 1 if head >> 4 else _varint(data, position + 1)[1]
            inner, position = _count(data, position, head & 15)
            count += inner
        return count, position + 1
    if kind == _LIST:
        head = data[position]
        size, position = (head >> 4, position + 1) if head < 0xF0 else _varint(data, position + 1)
        count = 0
        for _ in range(size):
            inner, position = _count(data, position, head & 15)
            count += inner
        return count, position
    return 0, _value(data, position, kind)[1]


def _integers(data: bytes) -> tuple[dict[int, int], int]:
    """Return the fields of a Thrift struct (compact protocol) that are integers, and the bytes it takes."""
    try:
        return _struct(data, 0)
    except (IndexError, RecursionError):
        raise pa.ArrowInvalid("the header of a page is damaged") from None


def _struct(data: bytes, position: int) -> tuple[dict[int, int], int]:
    fields: dict[int, int] = {}
    number = 0
    while head := data[position]:
        position += 1
        if head >> 4:
            number += head >> 4
        else:
            number, position = _integer(data, position)
        value, position = _value(data, position, head & 15)
        if value is not None:
            fields[number] = value
    return fields, position + 1


def _value(data: bytes, position: int, kind: int) -> tuple[int | None, int]:
    """Return a value if it is an integer, and the position of the next field."""
    if kind in _INTEGERS:
        return _integer(data, position)
    if kind == _BINARY:
        size, position = _varint(data, position)
        return None, position + size
    if kind == _STRUCT:
        return None, _struct(data, position)[1]
    if kind in _TRUTH_VALUES:  # the kind is the value
        return None, position
    raise IndexError  # a page's header has no other types


def _integer(data: bytes, position: int) -> tuple[int, int]:
    value, position = _varint(data, position)
    return (value >> 1) ^ -(value & 1), position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := data[position]) >= 128:
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
    return value | byte << shift, position + 1
