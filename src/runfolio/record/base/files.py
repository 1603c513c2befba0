"""Functions that replace files atomically, and functions that read and write JSON."""

from __future__ import annotations

import errno
import hashlib
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from runfolio.errors import DamagedFile, NewerFormat, StoreError
from runfolio.record.base import file_bounds
from runfolio.record.base.layout import FORMAT
from runfolio.record.base.record_path import RecordPath

_MAX_DEPTH = 200
"""Maximum nesting depth of objects and lists in a JSON file. The depth is limited because recursive functions process
the content."""
NAMED_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""Names that the record format uses for numbers that JSON cannot represent."""


def number_to_json(value: float) -> float | str:
    """Return a number unchanged, or return its name if JSON cannot represent it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def number_from_json(value: Any) -> float:
    """Return the number that `number_to_json` converted to a JSON value.

    Raises:
        KeyError, TypeError: The value is not a number.
    """
    return NAMED_NUMBERS[value] if isinstance(value, str) else float(value)


def plain_json(value: Any) -> Any:
    """Convert nested dicts, lists and single values to JSON. Numbers that JSON cannot represent are replaced with their
    names.

    Invalid Unicode is escaped. Another thread may change the dicts at the same time.
    """
    if isinstance(value, str):
        return _unicode(value)
    if isinstance(value, float):
        return number_to_json(float(value))
    if isinstance(value, dict):
        return {_unicode(str(key)): plain_json(entry) for key, entry in tuple(value.items())}
    if isinstance(value, (list, tuple)):
        return [plain_json(entry) for entry in value]
    return value


def _unicode(text: str) -> str:
    """Return the string with escaped invalid Unicode, such as `\\udcff`.

    Invalid Unicode comes from bytes of a file name that are not UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return text


def replace(path: Path, write: Callable[[Path], object], *, sync: bool = False) -> None:
    """Replace a file in the cache atomically, as `RecordPath.replace` does for the record."""
    RecordPath(path.parent, path.name).replace(write, sync=sync)


def write_json(path: RecordPath, value: Any, *, sync: bool = False) -> None:
    """Replace the file `path` with `value` as JSON. The JSON is indented, because people also read the record.

    Raises:
        OSError: The file cannot be written, or would be too large to read.
    """
    data = orjson.dumps(plain_json(value), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if problem := _excess(data):
        raise OSError(errno.EFBIG, f"it would hold {problem}", str(path))
    path.write_bytes(data, sync=sync)


def sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: RecordPath) -> dict[str, Any]:
    """Read a JSON object from the record.

    Raises:
        FileNotFoundError: The file does not exist.
        DamagedFile: The file is not a JSON object.
        NewerFormat: The file has a newer format than this version of runfolio can read.
        StoreError: The file cannot be read.
    """
    try:
        data = path.read_bytes(file_bounds.JSON_DOCUMENT)
    except (FileNotFoundError, DamagedFile):
        raise
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from None
    try:
        value = decode_json(data)
    except ValueError as error:
        raise DamagedFile(f"{path} is damaged ({error})") from None
    if not isinstance(value, dict):
        raise DamagedFile(f"{path} is damaged (not a JSON object)")
    check_format(value, path)
    return value


def decode_json(data: bytes) -> Any:
    """Decode JSON that may come from other people.

    Raises:
        ValueError: The data is not valid JSON, or exceeds a limit.
    """
    if problem := _excess(data):
        raise ValueError(problem)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    if is_deep(data, value):
        raise ValueError(f"more than {_MAX_DEPTH} nested objects and lists")
    return value


def _excess(data: bytes) -> str | None:
    """Return a description of the limit that a document exceeds, or None if it exceeds no limit.

    The limits are needed because a decoded document may take many times as much memory as its encoded form.
    """
    if len(data) > file_bounds.JSON_DOCUMENT:
        return f"more than {file_bounds.JSON_DOCUMENT:,} bytes"
    if len(data) > file_bounds.JSON_CONTAINERS and _containers(data) > file_bounds.JSON_CONTAINERS:
        return f"more than {file_bounds.JSON_CONTAINERS:,} objects and lists"
    return None


def _containers(data: bytes) -> int:
    """Return an upper bound for the number of objects and lists in a JSON document."""
    return data.count(b"{") + data.count(b"[")


def is_deep(data: bytes, value: Any) -> bool:
    """Return whether a JSON document, given both encoded and decoded, is nested too deeply.

    The limit protects recursive functions that process the content. The decoder itself accepts a depth of up to about
    1,000.
    """
    if _containers(data) <= _MAX_DEPTH:
        return False
    level = [value]
    for _ in range(_MAX_DEPTH):
        nested = [entry.values() if isinstance(entry, dict) else entry for entry in level]
        level = [inner for entries in nested for inner in entries if isinstance(inner, (dict, list))]
        if not level:
            return False
    return True


def check_format(value: dict[str, Any], path: RecordPath) -> None:
    version = value.get("runfolio")
    if not isinstance(version, int):
        raise DamagedFile(f"{path} is not a runfolio file (it contains no format version)")
    if version > FORMAT:
        raise NewerFormat(
            f"{path} was written by a newer runfolio (format {version}; this version reads up to format {FORMAT});"
            " upgrade with `pip install -U runfolio`"
        )


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
