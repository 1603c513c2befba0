"""Tails: text files with the newest points of a run, as one JSON line per log call.

Sealing replaces a tail with a segment (Parquet file). Each line contains the sequence number (seq) of its log call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypedDict, TypeGuard

import orjson

from runfolio.errors import DamagedFile
from runfolio.record.base import files
from runfolio.record.base.file_names import writer_id
from runfolio.record.base.layout import FORMAT
from runfolio.record.base.record_path import RecordPath


class LogCall(NamedTuple):
    """Values that one call of `log` recorded, with their step and time."""

    seq: int
    time_us: int
    step: int
    values: Mapping[str, float]


def header(writer: str, attempt: int) -> bytes:
    return orjson.dumps({"runfolio": FORMAT, "writer": writer, "attempt": attempt}, option=orjson.OPT_APPEND_NEWLINE)


def encode(calls: Iterable[LogCall]) -> bytes:
    """Encode log calls as lines. Decoding restores float64 numbers bit for bit, except that all NaN become equal."""
    return b"".join(map(_encode_one, calls))


class TailRow(TypedDict):
    """Content of one line of a tail (text file with one log call per line)."""

    seq: int
    time_us: int
    step: int
    values: Mapping[str, float]


def encode_rows(rows: list[TailRow]) -> bytes | None:
    """Encode all rows as lines at once. Return None if a number needs special encoding or a name is not a string.

    In that case, use `encode`.
    """
    try:
        encoded = orjson.dumps(rows)
    except orjson.JSONEncodeError:
        return None
    if b":null" in encoded:  # orjson writes NaN and infinities as null
        return None
    # A quote inside a JSON string is escaped with a backslash, so these bytes occur only between two rows.
    return encoded[1:-1].replace(b'},{"seq":', b'}\n{"seq":') + b"\n" if rows else b""


def _encode_one(call: LogCall) -> bytes:
    line = {"seq": call.seq, "time_us": call.time_us, "step": call.step, "values": call.values}
    encoded = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    # orjson writes NaN and infinities as null; since they are rare, they are only detected afterwards
    if b":null" in encoded:
        line["values"] = {name: files.number_to_json(value) for name, value in call.values.items()}
        encoded = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    return encoded


def decode(lines: bytes) -> list[LogCall]:
    """Decode lines that `encode` or `encode_rows` produced. The lines must not be damaged."""
    rows = orjson.loads(b"[" + lines[:-1].replace(b"\n", b",") + b"]")  # there is no newline inside a line of JSON
    return [LogCall(row["seq"], row["time_us"], row["step"], _numbers(row["values"])) for row in rows]


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    if str in map(type, values.values()):
        return {name: files.number_from_json(value) for name, value in values.items()}
    return values


def read_header(line: bytes, path: RecordPath) -> tuple[str, int]:
    """Return the writer and the attempt from the first line of a `.jsonl` file.

    Raises:
        DamagedFile: The line is not a valid first line.
        NewerFormat: A newer version of runfolio wrote the file.
    """
    value = decode_object(line)
    if value is None:
        raise DamagedFile(f"{path} is damaged (its first line is not a JSON object)")
    files.check_format(value, path)
    writer, attempt = value.get("writer"), value.get("attempt")
    if not is_integer(attempt, bits=32):
        raise DamagedFile(f"{path} is damaged (its first line has no attempt)")
    try:
        return writer_id(writer), attempt
    except ValueError as error:
        raise DamagedFile(f"{path} is damaged (its first line has no writer: {error})") from None


def is_integer(value: Any, *, bits: int = 64) -> TypeGuard[int]:
    """Return whether a value is an integer that `bits` bits can represent, including the sign."""
    return type(value) is int and -(2 ** (bits - 1)) <= value < 2 ** (bits - 1)


def decode_object(line: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
