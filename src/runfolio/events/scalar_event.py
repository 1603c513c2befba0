"""Decoder of events that contain only scalars. It also returns the position of each number in the record."""

from __future__ import annotations

import struct
from typing import NamedTuple

from runfolio.events.wire import FIXED32, FIXED64, LENGTH, VARINT, Span, signed, spans

_TIME, _STEP, _SUMMARY = (1, FIXED64), (2, VARINT), (5, LENGTH)
_LAST_FIELD = 10
"""Highest number of a field in an event or value. Fields with higher numbers are skipped."""
_TAG, _SIMPLE_VALUE, _NODE_NAME, _TENSOR, _METADATA = (1, LENGTH), (2, FIXED32), (7, LENGTH), (8, LENGTH), (9, LENGTH)
_NUMBERS = {1: ("<f4", 4), 2: ("<f8", 8), 3: ("<i4", 4), 9: ("<i8", 8), 19: ("<f2", 2)}
"""NumPy type and size of a number in `tensor_content`, by DataType."""
_FORMS = {"<f4": struct.Struct("<f"), "<f8": struct.Struct("<d"), "<i4": struct.Struct("<i")}
_FORMS |= {"<i8": struct.Struct("<q"), "<f2": struct.Struct("<e")}


class ScalarValue(NamedTuple):
    """One scalar of an event."""

    tag: bytes
    start: int
    """Offset of the number in the record."""
    dtype: str
    """NumPy type of the number."""
    is_simple: bool
    """True for a `simple_value` without metadata. Any other value is a scalar only if its tag belongs to the
    plugin `scalars`."""
    is_declared: bool
    """True if the metadata assigns the tag to the plugin `scalars`."""

    def number(self, data: bytes) -> float:
        return float(_FORMS[self.dtype].unpack_from(data, self.start)[0])

    @property
    def size(self) -> int:
        return _FORMS[self.dtype].size


class ScalarEvent(NamedTuple):
    """Event whose values are all scalars. Two events with the same layout differ only in the time, the step and the
    numbers."""

    time: float
    time_start: int | None
    """Offset of the time in the record. It is None if the event has no time."""
    step: int
    step_start: int
    step_stop: int
    values: list[ScalarValue]


def scalar_event(data: bytes) -> ScalarEvent | None:
    """Decode an event. Return None if its values are not all scalars, or if a field has a second value.

    Raises:
        WireError: The data is not an event.
    """
    fields = _unique_fields(data, 0, len(data), (_TIME, _STEP, _SUMMARY))
    if fields is None or (summary := fields.get(5)) is None:
        return None
    values = []
    for span in spans(data, summary.start, summary.stop):
        if (span.number, span.wire_type) != (1, LENGTH) or (value := _scalar(data, span)) is None:
            return None
        values.append(value)
    if not values:
        return None
    time, step = fields.get(1), fields.get(2)
    return ScalarEvent(
        struct.unpack_from("<d", data, time.start)[0] if time else 0.0,
        time.start if time else None,
        signed(step.integer) if step else 0,
        step.start if step else 0,
        step.stop if step else 0,
        values,
    )


def _unique_fields(
    data: bytes, start: int, stop: int, allowed: tuple[tuple[int, int], ...], last: int = _LAST_FIELD
) -> dict[int, Span] | None:
    """Return the fields of a message by number.

    Return None if a field occurs twice, or if a field up to number `last` is not among the allowed numbers and wire
    types.
    """
    fields: dict[int, Span] = {}
    for span in spans(data, start, stop):
        if span.number > last:
            continue
        if span.number in fields or (span.number, span.wire_type) not in allowed:
            return None
        fields[span.number] = span
    return fields


def _scalar(data: bytes, span: Span) -> ScalarValue | None:
    fields = _unique_fields(data, span.start, span.stop, (_TAG, _SIMPLE_VALUE, _NODE_NAME, _TENSOR, _METADATA))
    if fields is None or (2 in fields) == (8 in fields):
        return None
    tag = data[fields[1].start : fields[1].stop] if 1 in fields else b""
    plugin = _plugin(data, fields[9]) if 9 in fields else None
    if 2 in fields:
        if plugin not in (None, b"", b"scalars"):
            return None
        return ScalarValue(tag, fields[2].start, "<f4", is_simple=9 not in fields, is_declared=9 in fields)
    if plugin not in (None, b"scalars") or (number := _tensor_number(data, fields[8])) is None:
        return None
    return ScalarValue(tag, *number, is_simple=False, is_declared=plugin is not None)


def _plugin(data: bytes, metadata: Span) -> bytes:
    """Return the name of the plugin in the encoded metadata of a value."""
    name = b""
    for field in spans(data, metadata.start, metadata.stop):
        if (field.number, field.wire_type) == (1, LENGTH):
            for part in spans(data, field.start, field.stop):
                if (part.number, part.wire_type) == (1, LENGTH):
                    name = data[part.start : part.stop]
    return name


def _tensor_number(data: bytes, tensor: Span) -> tuple[int, str] | None:
    """Return the offset and type of the number in a tensor. Return None if the tensor has several elements or an
    unusual encoding."""
    allowed = ((1, VARINT), (2, LENGTH), (3, VARINT), (4, LENGTH), (5, LENGTH), (5, FIXED32), (6, LENGTH), (6, FIXED64))
    fields = _unique_fields(data, tensor.start, tensor.stop, allowed, last=18)
    if fields is None or 1 not in fields or not _has_one_element(data, fields.get(2)):
        return None
    contents = [fields[number] for number in (4, 5, 6) if number in fields]
    dtype, size = _NUMBERS.get(fields[1].integer, ("", 0))
    if len(contents) != 1 or contents[0].stop - contents[0].start != size or not size:
        return None
    expected = {5: "<f4", 6: "<f8"}.get(contents[0].number, dtype)
    return (contents[0].start, dtype) if dtype == expected else None


def _has_one_element(data: bytes, shape: Span | None) -> bool:
    for dimension in spans(data, shape.start, shape.stop) if shape else ():
        if (dimension.number, dimension.wire_type) != (2, LENGTH):
            return False
        sizes = [field.integer for field in spans(data, dimension.start, dimension.stop) if field.number == 1]
        if sizes != [1]:
            return False
    return True
