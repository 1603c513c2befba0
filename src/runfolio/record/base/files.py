"""How files of the record are written: whole by rename, or appended to; and how JSON is read from them."""

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
"""How many objects and lists may lie in one another in a JSON file; what walks through one calls itself."""
NAMED_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""What the format calls the numbers that JSON lacks."""


def number_to_json(value: float) -> float | str:
    """The number itself, or the format's name for one that JSON lacks."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def number_from_json(value: Any) -> float:
    """The number that `number_to_json` wrote.

    Raises:
        KeyError, TypeError: It is none.
    """
    return NAMED_NUMBERS[value] if isinstance(value, str) else float(value)


def plain_json(value: Any) -> Any:
    """A tree of dicts, lists and plain values as JSON can say it: the numbers it lacks by their names, Unicode only.

    Dicts may be changed by another thread meanwhile.
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
    """The text itself; what is no Unicode in it (bytes of a file name that were no UTF-8) written as `\\udcff`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return text


def replace(path: Path, write: Callable[[Path], object], *, sync: bool = False) -> None:
    """Make a file of the cache as `RecordPath.replace` does one of a record."""
    RecordPath(path.parent, path.name).replace(write, sync=sync)


def write_json(path: RecordPath, value: Any, *, sync: bool = False) -> None:
    """Replace `path` by `value` as indented JSON (a record is also read by people).

    Raises:
        OSError: It cannot be written, or is larger than what is read again.
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
    """A JSON object of the record.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFile: It is not a JSON object.
        NewerFormat: It says it is of a newer format than this program reads.
        StoreError: It cannot be read.
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
    """Return the value of JSON that may come from anybody.

    Raises:
        ValueError: It is not JSON, or has too much of something.
    """
    if problem := _excess(data):
        raise ValueError(problem)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    if is_deep(data, value):
        raise ValueError(f"more than {_MAX_DEPTH} objects and lists in one another")
    return value


def _excess(data: bytes) -> str | None:
    """Return what a document has too much of; as Python objects it may take many times its size."""
    if len(data) > file_bounds.JSON_DOCUMENT:
        return f"more than {file_bounds.JSON_DOCUMENT:,} bytes"
    if len(data) > file_bounds.JSON_CONTAINERS and _containers(data) > file_bounds.JSON_CONTAINERS:
        return f"more than {file_bounds.JSON_CONTAINERS:,} objects and lists"
    return None


def _containers(data: bytes) -> int:
    """Return a number that the objects and lists of JSON do not exceed."""
    return data.count(b"{") + data.count(b"[")


def is_deep(data: bytes, value: Any) -> bool:
    """Return whether JSON, given as text and as value, has more objects and lists in one another than are read.

    What goes through such a value calls itself. The decoder has a limit of its own, of about 1,000.
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
        raise DamagedFile(f"{path} is not a runfolio file (no format version in it)")
    if version > FORMAT:
        raise NewerFormat(
            f"{path} was written by a newer runfolio (format {version}, this one reads up to {FORMAT});"
            " upgrade with `pip install -U runfolio`"
        )


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
