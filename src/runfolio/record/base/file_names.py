"""Valid names of files in a record (`docs/format.md`, Names of files).

A record may come from other people. Therefore, each name is checked when it is decoded, before it becomes part of a
path.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, NewType

FileName = NewType("FileName", str)
"""Component of a path. It contains letters and digits of any script, `.`, `_` and `-`, and is neither hidden nor
reserved."""
LONGEST = 240
"""Maximum length of a name in bytes. Common file systems accept a name of this length even with the prefix of temporary
files."""

_ASCII = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z._-]*")
_WRITER = re.compile(r"[0-9A-Za-z_-]{1,64}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE | re.DOTALL)
"""Names that Windows reserves for devices."""


def file_name(value: Any) -> FileName:
    """Check that a value from a record is a valid file name, and return it.

    Raises:
        ValueError: The value is not valid.
    """
    if not is_file_name(value):
        raise ValueError(f"{value!r:.100} is not a valid file name")
    return FileName(value)


def writer_id(value: Any) -> FileName:
    """Check that a value from a record is a valid writer id, and return it. A writer is a process that writes to a run.
    A writer id is a file name without `.`.

    Raises:
        ValueError: The value is not valid.
    """
    if not is_writer_id(value):
        raise ValueError(f"{value!r:.100} is not a valid writer id")
    return FileName(value)


def is_writer_id(value: Any) -> bool:
    """Return whether a value from a record is a valid writer id (id of a process that writes to a run)."""
    return isinstance(value, str) and _WRITER.fullmatch(value) is not None and not is_reserved(value)


def is_file_name(value: Any) -> bool:
    """Return whether a value from a record is a valid file name."""
    if not isinstance(value, str) or not value or value[0] == "." or len(value) > LONGEST or is_reserved(value):
        return False
    if _ASCII.fullmatch(value):
        return True
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return False
    return size <= LONGEST and all(map(is_allowed, value))


def is_allowed(char: str) -> bool:
    """Return whether a character is allowed in a file name."""
    return char in "._-" or unicodedata.category(char)[0] in "LMN"


def is_reserved(name: str) -> bool:
    """Return whether a name is reserved by Windows for a device."""
    return _RESERVED.fullmatch(name) is not None
