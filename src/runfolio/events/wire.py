"""Protobuf's wire format (https://protobuf.dev/programming-guides/encoding/) for messages declared as dataclasses.

    @dataclass
    class Image(Message):
        height: int = part(1, INT, 0)
        tags: list[str] = parts(2, TEXT)

A field with the default None is written whenever it is set (a `oneof`). Any other field is written if it differs from
its default, as in proto3. Fields that a message does not declare are skipped.
"""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Literal, Self, TypeAlias

INT: Literal["int"] = "int"
"""Kind of the fields int32, int64, uint32 and enum, which are encoded as varints and must be below 2**63. Negative
numbers are encoded in 64-bit two's complement."""
BOOL: Literal["bool"] = "bool"
FLOAT: Literal["float"] = "float"
DOUBLE: Literal["double"] = "double"
BYTES: Literal["bytes"] = "bytes"
TEXT: Literal["text"] = "text"
Kind: TypeAlias = "Literal['int', 'bool', 'float', 'double', 'bytes', 'text'] | type[Message]"

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED: dict[Kind, tuple[int, struct.Struct]] = {
    FLOAT: (_FIXED32, struct.Struct("<f")),
    DOUBLE: (_FIXED64, struct.Struct("<d")),
}


class WireError(ValueError):
    """Raised if bytes are not a protobuf message."""


def part(number: int, kind: Kind, default: Any = None) -> Any:
    """Declare a field of a message."""
    return dataclasses.field(default=default, metadata={"number": number, "kind": kind, "repeated": False})


def parts(number: int, kind: Kind) -> Any:
    """Declare a repeated field. Numbers are packed."""
    return dataclasses.field(default_factory=list, metadata={"number": number, "kind": kind, "repeated": True})


class Message:
    """Base class of dataclasses whose fields are declared with `part` and `parts`."""

    def encode(self) -> bytes:
        return b"".join(self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        for entry in dataclasses.fields(self):  # type: ignore[arg-type] - every subclass is a dataclass
            number, kind = entry.metadata["number"], entry.metadata["kind"]
            value = getattr(self, entry.name)
            if not entry.metadata["repeated"]:
                if value is not None and (value != entry.default or _is_negative_zero(value)):
                    yield _field(number, kind, value)
            elif value and kind in (INT, BOOL, FLOAT, DOUBLE):
                yield length_field(number, b"".join(_number(kind, element) for element in value))
            else:
                yield from (_field(number, kind, element) for element in value)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode a message.

        Raises:
            WireError: The data is not a message.
        """
        message = cls()
        field_by_number = {entry.metadata["number"]: entry for entry in dataclasses.fields(cls)}  # type: ignore[arg-type]
        for number, wire_type, value in fields(data):
            if (entry := field_by_number.get(number)) is None:
                continue
            kind = entry.metadata["kind"]
            if not entry.metadata["repeated"]:
                setattr(message, entry.name, _value(kind, wire_type, value))
            elif wire_type == _LENGTH and kind in (INT, BOOL, FLOAT, DOUBLE):
                getattr(message, entry.name).extend(_unpack(kind, value))
            else:
                getattr(message, entry.name).append(_value(kind, wire_type, value))
        return message


def _is_negative_zero(value: Any) -> bool:
    return isinstance(value, float) and value == 0 and math.copysign(1, value) < 0


def varint(value: int) -> bytes:
    value &= 0xFFFF_FFFF_FFFF_FFFF
    pieces = bytearray()
    while value > 0x7F:
        pieces.append(value & 0x7F | 0x80)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)


def length_field(number: int, data: bytes) -> bytes:
    """Encode a field with a length prefix: bytes, a string, a message or packed numbers."""
    return varint(number << 3 | _LENGTH) + varint(len(data)) + data


def float32(value: float) -> bytes:
    """Encode a number as the nearest 32-bit float. Numbers outside the range of 32-bit floats become infinite."""
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", float("inf") if value > 0 else float("-inf"))


def fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield the number, the wire type and the value (an int or bytes) of each field in a message.

    Raises:
        WireError: The bytes end within a field, or a wire type is unknown.
    """
    offset = 0
    while offset < len(data):
        key, offset = _read_varint(data, offset)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            value, offset = _read_varint(data, offset)
            yield number, wire_type, value
            continue
        if wire_type == _LENGTH:
            size, offset = _read_varint(data, offset)
        elif wire_type in (_FIXED32, _FIXED64):
            size = 4 if wire_type == _FIXED32 else 8
        else:
            raise WireError(f"wire type {wire_type} at byte {offset} is unknown")
        if offset + size > len(data):
            raise WireError(f"a field of {size} bytes at byte {offset} exceeds the message")
        yield number, wire_type, data[offset : offset + size]
        offset += size


def _read_varint(data: bytes, offset: int) -> tuple[int, int]:
    value = shift = 0
    while offset < len(data) and shift < 70:
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, offset
        shift += 7
    raise WireError(f"a number at byte {offset} does not end")


def _field(number: int, kind: Kind, value: Any) -> bytes:
    if kind == BYTES:
        return length_field(number, value)
    if kind == TEXT:
        return length_field(number, value.encode(errors="backslashreplace"))
    if isinstance(kind, type):
        return length_field(number, value.encode())
    wire_type = _VARINT if kind in (INT, BOOL) else _FIXED[kind][0]
    return varint(number << 3 | wire_type) + _number(kind, value)


def _number(kind: Kind, value: Any) -> bytes:
    if kind == FLOAT:
        return float32(value)
    return struct.pack("<d", value) if kind == DOUBLE else varint(int(value))


def _value(kind: Kind, wire_type: int, value: Any) -> Any:
    if kind in (INT, BOOL):
        if wire_type != _VARINT:
            raise WireError(f"wire type {wire_type} instead of an integer")
        return bool(value) if kind == BOOL else _signed(value)
    if kind in (FLOAT, DOUBLE):
        expected, form = _FIXED[kind]
        if wire_type != expected:
            raise WireError(f"wire type {wire_type} instead of a {kind}")
        return form.unpack(value)[0]
    if wire_type != _LENGTH:
        raise WireError(f"wire type {wire_type} instead of bytes")
    if isinstance(kind, type):
        return kind.decode(value)
    return value.decode(errors="backslashreplace") if kind == TEXT else value


def _unpack(kind: Kind, data: bytes) -> Iterable[Any]:
    if kind in (FLOAT, DOUBLE):
        form = _FIXED[kind][1]
        if len(data) % form.size:
            raise WireError(f"{len(data)} bytes are not a multiple of the size of a {kind}")
        return (value for (value,) in form.iter_unpack(data))
    return _packed_varints(kind, data)


def _packed_varints(kind: Kind, data: bytes) -> Iterator[Any]:
    offset = 0
    while offset < len(data):
        value, offset = _read_varint(data, offset)
        yield bool(value) if kind == BOOL else _signed(value)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
