"""Forged Parquet files: the footer and the headers of pages of a real segment, decoded, changed and written again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, BINARY, LIST, STRUCT = 1, 2, 3, 4, 5, 6, 8, 9, 12
"""Types of Thrift's compact protocol."""
INTEGERS = (I16, I32, I64)
ROWS, ROW_GROUPS = 3, 4
"""Fields of a footer."""
COLUMNS, GROUP_ROWS = 1, 3
"""Fields of a row group."""
ABOUT, PACKED, PAGE = 3, 7, 9
"""Fields of a column: its metadata; in the metadata, its size in the file and the position of its first page."""
PAGE_UNPACKED, PAGE_PACKED = 2, 3
"""Fields of the header of a page: its bytes in memory and in the file."""

Struct = dict[int, tuple[int, Any]]
"""Kind and value of each field. A list is the kind of its entries, and the entries."""


def decode(data: bytes, position: int, kind: int = STRUCT) -> tuple[Any, int]:
    """Return a value, and where it ends."""
    if kind in (TRUE, FALSE):
        return None, position
    if kind == BYTE:
        return data[position], position + 1
    if kind in INTEGERS:
        number, position = _varint(data, position)
        return number >> 1 ^ -(number & 1), position
    if kind == BINARY:
        size, position = _varint(data, position)
        return data[position : position + size], position + size
    if kind == LIST:
        head = data[position]
        size, position = (head >> 4, position + 1) if head < 0xF0 else _varint(data, position + 1)
        entries = []
        for _ in range(size):
            entry, position = decode(data, position, head & 15)
            entries.append(entry)
        return (head & 15, entries), position
    assert kind == STRUCT, kind
    fields: Struct = {}
    number = 0
    while head := data[position]:
        number += head >> 4
        fields[number] = (head & 15, None)
        value, position = decode(data, position + 1, head & 15)
        fields[number] = (head & 15, value)
    return fields, position + 1


def encode(value: Any, kind: int = STRUCT) -> bytes:
    if kind in (TRUE, FALSE):
        return b""
    if kind == BYTE:
        return bytes([value])
    if kind in INTEGERS:
        return _to_varint((value << 1 ^ value >> 63) & (1 << 64) - 1)
    if kind == BINARY:
        return _to_varint(len(value)) + value
    if kind == LIST:
        inner, entries = value
        return bytes([0xF0 | inner]) + _to_varint(len(entries)) + b"".join(encode(entry, inner) for entry in entries)
    written, last = b"", 0
    for number, (inner, entry) in value.items():
        written += bytes([number - last << 4 | inner]) + encode(entry, inner)
        last = number
    return written + b"\0"


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := data[position]) >= 128:
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
    return value | byte << shift, position + 1


def _to_varint(value: int) -> bytes:
    written = bytearray()
    while value >= 128:
        written.append(value & 127 | 128)
        value >>= 7
    return bytes([*written, value])


def set_field(struct: Struct, field: int, value: Any) -> None:
    struct[field] = (struct[field][0], value)


class Forgery:
    """A segment whose footer and pages can be changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        data = path.read_bytes()
        size = int.from_bytes(data[-8:-4], "little")
        self.body = data[: -size - 16]
        """The pages; the checksum of the footer is left out, as old files have none."""
        self.footer: Struct = decode(data, len(data) - size - 8)[0]

    @property
    def groups(self) -> list[Struct]:
        return self.footer[ROW_GROUPS][1][1]

    @groups.setter
    def groups(self, groups: list[Struct]) -> None:
        set_field(self.footer, ROW_GROUPS, (STRUCT, groups))

    def column(self, index: int) -> Struct:
        """Return the metadata of a column in the first row group."""
        return self.groups[0][COLUMNS][1][1][index][ABOUT][1]

    def set_page(self, column: Struct, unpacked: int) -> None:
        """Give a column one page: its first one, with another size in memory in its header."""
        start = column[PAGE][1]
        header, end = decode(self.body, start)
        content = self.body[end : end + header[PAGE_PACKED][1]]
        set_field(header, PAGE_UNPACKED, unpacked)
        set_field(column, PAGE, len(self.body))
        page = encode(header) + content
        set_field(column, PACKED, len(page))
        self.body += page

    def save(self) -> None:
        footer = encode(self.footer)
        self.path.write_bytes(self.body + footer + len(footer).to_bytes(4, "little") + b"PAR1")
