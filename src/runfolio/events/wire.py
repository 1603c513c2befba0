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
import functools
import math
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, Self, TypeAlias

INT: Literal["int"] = "int"
"""Kind of the fields int32, int64, uint32 and enum, which are encoded as varints and must be below 2**63. Negative
numbers are encoded in 64-bit two's complement."""
BOOL: Literal["bool"] = "bool"
FLOAT: Literal["float"] = "float"
DOUBLE: Literal["double"] = "double"
BYTES: Literal["bytes"] = "bytes"
TEXT: Literal["text"] = "text"
RAW_TEXT: Literal["raw text"] = "raw text"
"""Kind of texts that serve as identifiers, such as tags. Bytes that are not UTF-8 are decoded with `surrogateescape`,
so that different bytes give different texts. In other texts, such bytes become escape sequences."""
Kind: TypeAlias = "Literal['int', 'bool', 'float', 'double', 'bytes', 'text', 'raw text'] | type[Message]"

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Wire types."""
_MOST_FIELDS = 1 << 22
"""Maximum number of fields and integers in a decoded message. Without this limit, a damaged file of small fields could
exhaust the memory, because a decoded field can need 100 bytes and an encoded field only two."""
_FIXED: dict[Kind, tuple[int, struct.Struct]] = {
    FLOAT: (FIXED32, struct.Struct("<f")),
    DOUBLE: (FIXED64, struct.Struct("<d")),
}


class WireError(ValueError):
    """Raised if bytes are not a protobuf message."""


def part(number: int, kind: Kind, default: Any = None) -> Any:
    """Declare a field of a message."""
    return dataclasses.field(default=default, metadata={"number": number, "kind": kind, "repeated": False})


def parts(number: int, kind: Kind) -> Any:
    """Declare a repeated field. Numbers are packed."""
    return dataclasses.field(default_factory=list, metadata={"number": number, "kind": kind, "repeated": True})


class _Field(NamedTuple):
    """Declaration of a field, in a form that is fast to read."""

    name: str
    kind: Kind
    is_repeated: bool


class Message:
    """Base class of dataclasses whose fields are declared with `part` and `parts`."""

    __slots__ = ()

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
            WireError: The data is not a message, or has too many fields.
        """
        return cls._decode(data, _Budget(_MOST_FIELDS))

    @classmethod
    def _decode(cls, data: bytes, budget: _Budget) -> Self:
        message = cls()
        declared = _declared(cls)
        for number, wire_type, value in fields(data):
            budget.spend(1)
            if (field := declared.get(number)) is None:
                continue
            name, kind, is_repeated = field
            if not is_repeated:
                setattr(message, name, _value(kind, wire_type, value, budget))
            elif wire_type == LENGTH and kind in (INT, BOOL, FLOAT, DOUBLE):
                getattr(message, name).extend(_unpack(kind, value, budget))
            else:
                getattr(message, name).append(_value(kind, wire_type, value, budget))
        return message


class _Budget:
    """Number of fields that may still be decoded."""

    __slots__ = ("_left",)

    def __init__(self, count: int) -> None:
        self._left = count

    def spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise WireError(f"the message has more than {_MOST_FIELDS} fields")


@functools.cache
def _declared(message: type[Message]) -> dict[int, _Field]:
    """Return the declared fields of a message class by number."""
    return {
        entry.metadata["number"]: _Field(entry.name, entry.metadata["kind"], entry.metadata["repeated"])
        for entry in dataclasses.fields(message)  # type: ignore[arg-type] - every subclass is a dataclass
    }


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
    return varint(number << 3 | LENGTH) + varint(len(data)) + data


def float32(value: float) -> bytes:
    """Encode a number as the nearest 32-bit float. Numbers outside the range of 32-bit floats become infinite."""
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", float("inf") if value > 0 else float("-inf"))


class Span(NamedTuple):
    """Position of a field in encoded data."""

    number: int
    wire_type: int
    start: int
    """Offset of the value. The field's key and length precede it."""
    stop: int
    integer: int
    """Value of a varint, and 0 for other wire types."""


def fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield the number, the wire type and the value (an int or bytes) of each field in a message.

    Raises:
        WireError: The bytes end within a field, or a wire type is unknown.
    """
    for number, wire_type, start, stop, integer in spans(data, 0, len(data)):
        yield number, wire_type, integer if wire_type == VARINT else data[start:stop]


def spans(data: bytes, start: int, stop: int) -> Iterator[Span]:
    """Yield the position of each field in the message between two offsets.

    Raises:
        WireError: The message ends within a field, or a wire type is unknown.
    """
    offset = start
    while offset < stop:
        key, offset = _read_varint(data, offset)
        number, wire_type = key >> 3, key & 7
        integer, size = 0, 0
        begin = offset
        if wire_type == VARINT:
            integer, offset = _read_varint(data, offset)
        elif wire_type == LENGTH:
            size, begin = _read_varint(data, offset)
        elif wire_type in (FIXED32, FIXED64):
            size = 4 if wire_type == FIXED32 else 8
        else:
            raise WireError(f"wire type {wire_type} at byte {offset} is unknown")
        if wire_type != VARINT:
            offset = begin + size
        if offset > stop:
            raise WireError(f"a field of {size} bytes at byte {begin} exceeds the message")
        yield Span(number, wire_type, begin, offset, integer)


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
    if kind in (TEXT, RAW_TEXT):
        return length_field(number, value.encode(errors="backslashreplace"))
    if isinstance(kind, type):
        return length_field(number, value.encode())
    wire_type = VARINT if kind in (INT, BOOL) else _FIXED[kind][0]
    return varint(number << 3 | wire_type) + _number(kind, value)


def _number(kind: Kind, value: Any) -> bytes:
    if kind == FLOAT:
        return float32(value)
    return struct.pack("<d", value) if kind == DOUBLE else varint(int(value))


def _value(kind: Kind, wire_type: int, value: Any, budget: _Budget) -> Any:
    if kind in (INT, BOOL):
        if wire_type != VARINT:
            raise WireError(f"wire type {wire_type} instead of an integer")
        return bool(value) if kind == BOOL else signed(value)
    if kind in (FLOAT, DOUBLE):
        expected, form = _FIXED[kind]
        if wire_type != expected:
            raise WireError(f"wire type {wire_type} instead of a {kind}")
        return form.unpack(value)[0]
    if wire_type != LENGTH:
        raise WireError(f"wire type {wire_type} instead of bytes")
    if isinstance(kind, type):
        return kind._decode(value, budget)
    if kind == BYTES:
        return value
    return value.decode(errors="surrogateescape" if kind == RAW_TEXT else "backslashreplace")


def _unpack(kind: Kind, data: bytes, budget: _Budget) -> Iterable[Any]:
    if kind in (FLOAT, DOUBLE):
        form = _FIXED[kind][1]
        if len(data) % form.size:
            raise WireError(f"{len(data)} bytes are not a multiple of the size of a {kind}")
        return (value for (value,) in form.iter_unpack(data))
    return _packed_varints(kind, data, budget)


def _packed_varints(kind: Kind, data: bytes, budget: _Budget) -> Iterator[Any]:
    offset = 0
    while offset < len(data):
        budget.spend(1)
        value, offset = _read_varint(data, offset)
        yield bool(value) if kind == BOOL else signed(value)


def signed(value: int) -> int:
    """Return the 64-bit two's complement number that a varint encodes."""
    return value - (1 << 64) if value >= 1 << 63 else value
