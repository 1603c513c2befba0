"""Limits of Parquet files, which are checked before Arrow decodes a file.

The limits are needed because a small file may request a huge amount of memory. Arrow allocates as much memory as the
footer and the page headers request. This module compares the requested memory with the size of the file and the limits
of a segment (Parquet file of points).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from runfolio.record.base import file_bounds
from runfolio.record.base.record_path import RecordPath, descriptor_path

GROUP_ROWS = 1 << 20
"""Maximum number of rows in a row group, which is a block of a Parquet file (`docs/format.md`, Segments)."""
COLUMN_BYTES = 256 << 20
"""Maximum unpacked size in bytes of a column in a row group (block of rows)."""
_ROWS_PER_BYTE = 200
"""Maximum number of rows per byte of a file. A constant metric reaches about 40."""
_ZSTD_RATIO = 1 << 15
"""Maximum compression ratio of zstd: a block of 4 bytes may unpack to 128 KB."""
_UNCOUNTED_BYTES = 1 << 20
"""Maximum size in bytes of a footer that is accepted without counting its structs. Arrow may need 250 times as much
memory for a footer."""
_STRUCT_BYTES = 8
"""Minimum average size in bytes of a struct (encoded object) in a footer. Structs that Arrow writes have about 14
bytes."""
_HEADER_BYTES = 4096
"""Maximum size of a page header in bytes. The header contains the first and the last name on the page."""
_VARINT_BITS = 64
"""Maximum number of bits in an integer."""
_TRUTH_VALUES, _INTEGERS, _BINARY, _LIST, _STRUCT = (1, 2), (4, 5, 6), 8, 9, 12
"""Type codes of Thrift's compact protocol."""
_UNPACKED, _PACKED = (2,), (3,)
"""Paths of the fields in a page header that state the size of the page in bytes, without the header."""
_PAGE_KIND, _DATA_ENCODING, _DATA_2_ENCODING = (1,), (5, 2), (8, 4)
"""Paths of fields in a page header: the kind of the page, and the encoding of a data page (version 1 and version 2)."""
_DATA_KINDS = {0: _DATA_ENCODING, 3: _DATA_2_ENCODING}
_PLAIN_ENCODINGS = (0, 3)
"""Codes of the encodings PLAIN and RLE. RLE is allowed only for booleans. Other encodings can repeat long strings in a
few bytes."""
_PLAIN_TYPES = ("BOOLEAN", "INT32", "INT64", "FLOAT", "DOUBLE", "BYTE_ARRAY")
"""Column types whose missing values take at most 8 bytes each."""
_CHECKSUM = b"RFcs"


PAGE_ERRORS = (pa.ArrowException, OSError, UnicodeDecodeError)
"""Errors raised if a page is damaged, a disk fails, or a string is not valid UTF-8."""


class Footer(NamedTuple):
    """Footer of a Parquet file."""

    data: bytes
    """Content of the footer, followed by its length and the magic bytes of Parquet."""
    before: bytes
    """The eight bytes before the footer."""


def open_file(path: RecordPath, most_bytes: int = file_bounds.SEGMENT) -> pa.OSFile:
    """Open a Parquet file for Arrow.

    Args:
        most_bytes: Maximum size of the file.
    Raises:
        FileNotFoundError: The file does not exist.
        UnusableFile: The file is a link, a device or a FIFO, or it is too large.
    """
    with path.open(most_bytes) as file:
        return pa.OSFile(str(descriptor_path(file.fileno(), str(path))))


def read_footer(file: pa.NativeFile) -> Footer:
    """Return the footer. If its stated length is wrong, return as many bytes as are available.

    Raises:
        ArrowInvalid: The footer is larger than allowed, or contains more structs than its size allows.
    """
    size = file.size()
    length = int.from_bytes(file.read_at(min(8, size), max(size - 8, 0))[:4], "little")
    most = file_bounds.SEGMENT_FOOTER
    if most < length < size:
        raise pa.ArrowInvalid(f"its footer has {length:,} bytes; at most {most:,} are allowed")
    start = size - min(length + 8, size, most + 8)
    data = file.read_at(size - start, start)
    if len(data) > _UNCOUNTED_BYTES and (structs := _count_structs(data)) * _STRUCT_BYTES > len(data):
        raise pa.ArrowInvalid(f"its footer holds {structs:,} structs in {len(data):,} bytes")
    return Footer(data, file.read_at(min(8, start), max(start - 8, 0)))


def checksum_of(footer: Footer) -> bytes:
    """Return the 8-byte checksum that precedes a footer. The Parquet format has no such checksum, and Arrow may abort
    the process if the footer is damaged."""
    return _CHECKSUM + zlib.crc32(footer.data).to_bytes(4, "little")


def with_checksum(content: bytes) -> bytes:
    """Return the content of a Parquet file with a checksum inserted before its footer."""
    footer = read_footer(pa.BufferReader(content))
    return content[: -len(footer.data)] + checksum_of(footer) + footer.data


def check_footer(file: pa.NativeFile) -> None:
    """Verify the checksum of the footer. Files of earlier versions, which have no checksum, are accepted.

    Raises:
        ArrowInvalid: The footer does not match its checksum.
    """
    footer = read_footer(file)
    if footer.before.startswith(_CHECKSUM) and footer.before != checksum_of(footer):
        raise pa.ArrowInvalid("its footer does not match its checksum")


def check_plain(file: pa.NativeFile, metadata: pq.FileMetaData, most_bytes: int) -> None:
    """Check page by page that a file has no unsupported types or encodings, and that its values unpack to at most
    `most_bytes`.

    Raises:
        ArrowInvalid: The file has lists, unsupported types or encodings, or too many bytes.
    """
    for index in range(metadata.num_columns):
        column = metadata.schema.column(index)
        if column.max_repetition_level or column.physical_type not in _PLAIN_TYPES:
            raise pa.ArrowInvalid(f"column {column.path} has lists, or values of {column.physical_type}")
    unpacked = 0
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            if column.compression not in ("ZSTD", "UNCOMPRESSED"):
                raise pa.ArrowInvalid(f"a column is compressed with {column.compression}")
            for page in _pages(file, column):
                encoding = page.get(_DATA_KINDS.get(page.get(_PAGE_KIND, -1), ()))
                if encoding not in _PLAIN_ENCODINGS:
                    raise pa.ArrowInvalid(f"column {column.path_in_schema} is not PLAIN-encoded")
                unpacked += page[_UNPACKED]
                if unpacked > most_bytes:
                    raise pa.ArrowInvalid(f"it would take more than {most_bytes:,} bytes")


def check_metadata(file: pa.OSFile, metadata: pq.FileMetaData) -> None:
    """Check that a file is large enough for the number of rows that its row groups (blocks of rows) state.

    Raises:
        ArrowInvalid: The file states more rows than it can contain.
    """
    rows = 0
    for group in range(metadata.num_row_groups):
        group_rows = metadata.row_group(group).num_rows
        if not 0 <= group_rows <= GROUP_ROWS:
            raise pa.ArrowInvalid(f"it claims that a row group has {group_rows:,} points")
        rows += group_rows
    if rows != metadata.num_rows:
        raise pa.ArrowInvalid(f"its row groups hold {rows:,} points, but it claims {metadata.num_rows:,}")
    if rows > GROUP_ROWS + _ROWS_PER_BYTE * file.size():
        raise pa.ArrowInvalid(f"it claims {rows:,} points in {file.size():,} bytes")


def check_group(file: pa.OSFile, metadata: pq.FileMetaData, group: int, columns: Sequence[str]) -> None:
    """Check that none of the `columns` of a row group (block of rows) unpacks to more than `COLUMN_BYTES`.

    Raises:
        ArrowInvalid: A column would be too large, or its compression is not supported.
    """
    about = metadata.row_group(group)
    for index in range(about.num_columns):
        column = about.column(index)
        if (name := column.path_in_schema) in columns:
            if column.compression not in ("ZSTD", "UNCOMPRESSED"):
                raise pa.ArrowInvalid(f"a column is compressed with {column.compression}")
            needs_look = column.total_compressed_size * _ZSTD_RATIO > COLUMN_BYTES
            if needs_look and (unpacked := sum(page[_UNPACKED] for page in _pages(file, column))) > COLUMN_BYTES:
                raise pa.ArrowInvalid(f"column {name} would take {unpacked:,} bytes in one row group")


def bounds_of_texts(column: pq.ColumnChunkMetaData) -> tuple[str, str] | None:
    """Return the first and last string in a column of one row group, or None if the footer does not contain them."""
    statistics = column.statistics
    if statistics is None or not statistics.has_min_max:
        return None
    try:
        return statistics.min, statistics.max
    except UnicodeDecodeError:
        return None


def _pages(file: pa.NativeFile, column: pq.ColumnChunkMetaData) -> Iterator[dict[tuple[int, ...], int]]:
    """Yield the integers in the header of each page of a column, as a dict by the path of the field."""
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
        yield fields
        position += length + fields[_PACKED]


def _count_structs(footer: bytes) -> int:
    """Return the number of structs (encoded objects) in a footer."""
    try:
        return _count(footer, 0, _STRUCT)[0]
    except (IndexError, RecursionError):
        raise pa.ArrowInvalid("its footer is damaged") from None


def _count(data: bytes, position: int, kind: int, *, in_list: bool = False) -> tuple[int, int]:
    """Return the number of structs in a value, and the position at which the value ends.

    In a list, a boolean takes one byte.
    """
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
        if size > len(data) - position:  # each element takes at least one byte
            raise IndexError
        count = 0
        for _ in range(size):
            inner, position = _count(data, position, head & 15, in_list=True)
            count += inner
        return count, position
    if kind in _TRUTH_VALUES and in_list:
        return 0, position + 1
    return 0, _value(data, position, kind)[1]


def _integers(data: bytes) -> tuple[dict[tuple[int, ...], int], int]:
    """Return the integer fields of a Thrift struct (compact protocol), and the size of the struct in bytes."""
    try:
        return _struct(data, 0)
    except (IndexError, RecursionError):
        raise pa.ArrowInvalid("the header of a page is damaged") from None


def _struct(data: bytes, position: int) -> tuple[dict[tuple[int, ...], int], int]:
    fields: dict[tuple[int, ...], int] = {}
    number = 0
    while head := data[position]:
        position += 1
        if head >> 4:
            number += head >> 4
        else:
            number, position = _integer(data, position)
        if head & 15 == _STRUCT:
            inner, position = _struct(data, position)
            fields.update({(number, *path): value for path, value in inner.items()})
            continue
        value, position = _value(data, position, head & 15)
        if value is not None:
            fields[(number,)] = value
    return fields, position + 1


def _value(data: bytes, position: int, kind: int) -> tuple[int | None, int]:
    """Return a value and the position at which it ends. The value is None if it is not an integer."""
    if kind in _INTEGERS:
        return _integer(data, position)
    if kind == _BINARY:
        size, position = _varint(data, position)
        return None, position + size
    if kind in _TRUTH_VALUES:  # the type code of a boolean is also its value
        return None, position
    raise IndexError  # a page header has no other types


def _integer(data: bytes, position: int) -> tuple[int, int]:
    value, position = _varint(data, position)
    return (value >> 1) ^ -(value & 1), position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := data[position]) >= 128:
        if shift > _VARINT_BITS:
            raise IndexError
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
    return value | byte << shift, position + 1
