"""Writing of files by rename or by appending, and reading of JSON."""

from __future__ import annotations

import hashlib
import math
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from runfolio.errors import DamagedFile, NewerFormat, StoreError
from runfolio.record.base.layout import FORMAT

_MAX_DEPTH = 200
"""Largest nesting depth of objects and lists in a JSON file, since recursive functions process it."""
HIDDEN = ".tmp-"
"""Start of the names of files that are not part of the record yet."""
NAMED_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""The format's names of the numbers that JSON lacks."""


def number_to_json(value: float) -> float | str:
    """Return the number, or the format's name of a number that JSON lacks."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def number_from_json(value: Any) -> float:
    """Return the number that `number_to_json` wrote.

    Raises:
        KeyError, TypeError: It is not a number.
    """
    return NAMED_NUMBERS[value] if isinstance(value, str) else float(value)


def plain_json(value: Any) -> Any:
    """Convert a tree of dicts, lists and plain values to JSON: numbers that it lacks by name, and Unicode only.

    Another thread may change the dicts in the meantime.
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
    """Return the text, with invalid Unicode (bytes of a file name that are not UTF-8) written as `\\udcff`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return text


def replace(path: Path, write: Callable[[Path], object], *, sync: bool = False) -> None:
    """Create `path` by writing a hidden file and renaming it, so that readers never see an incomplete file.

    Args:
        write: Called with the temporary path; it must create the file.
        sync: Also flush file and folder to the disk, so that the file survives a power cut.
    """
    temporary = path.with_name(f"{HIDDEN}{secrets.token_hex(4)}-{path.name}")
    try:
        write(temporary)
        if sync:
            sync_file(temporary)
        temporary.replace(path)
        if sync:
            sync_file(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any, *, sync: bool = False) -> None:
    """Replace `path` with `value` as indented JSON, since people also read the record."""
    data = orjson.dumps(plain_json(value), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    replace(path, lambda temporary: temporary.write_bytes(data), sync=sync)


def sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of the record.

    Raises:
        FileNotFoundError: The file does not exist.
        DamagedFile: It is not a JSON object.
        NewerFormat: It has a newer format than this version reads.
        StoreError: It cannot be read.
    """
    try:
        value = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise DamagedFile(f"{path} is damaged (not JSON: {error})") from None
    if not isinstance(value, dict):
        raise DamagedFile(f"{path} is damaged (not a JSON object)")
    if _is_deep(value):
        raise DamagedFile(f"{path} is damaged (more than {_MAX_DEPTH} objects and lists in one another)")
    check_format(value, path)
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        nested = [entry.values() if isinstance(entry, dict) else entry for entry in level]
        level = [inner for entries in nested for inner in entries if isinstance(inner, (dict, list))]
        if not level:
            return False
    return True


def check_format(value: dict[str, Any], path: Path) -> None:
    version = value.get("runfolio")
    if not isinstance(version, int):
        raise DamagedFile(f"{path} is not a runfolio file (no format version in it)")
    if version > FORMAT:
        raise NewerFormat(
            f"{path} was written by a newer runfolio (format {version}, this one reads up to {FORMAT});"
            " upgrade with `pip install -U runfolio`"
        )


def is_file_name(name: Any) -> bool:
    """Return whether a record may use a name for a file: a text without folders, not hidden."""
    return isinstance(name, str) and bool(name) and not name.startswith(".") and not set(name) & set("/\\\0")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
