"""Functions that read media files that the user passes. The files are read during the call, and their format is
recognised by their content."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runfolio.errors import ConfigError
from runfolio.record.base import file_bounds
from runfolio.record.content.media_types import HEAD_BYTES, MediaFormat, recognise
from runfolio.tracking.pipeline.plain_texts import describe_error, path_of
from runfolio.tracking.pipeline.stored_file import StoredFile


def file_content(value: Any, what: str) -> bytes | None:
    """Return the content of a file, which is passed as bytes, a path or a binary file object. Return None for any other
    value.

    Args:
        what: Name that messages use for the file, including the article, such as `an image`.
    Raises:
        ConfigError: The file cannot be read, or exceeds the size limit for media.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _checked(bytes(value), what)
    if isinstance(value, (str, Path)):
        return _path_content(value, what)
    return _checked(_object_content(value, what), what) if hasattr(value, "read") else None


def _path_content(path: str | Path, what: str) -> bytes:
    try:
        with path_of(path).open("rb") as file:
            is_small = os.fstat(file.fileno()).st_size <= file_bounds.MEDIUM
            content = file.read(file_bounds.MEDIUM + 1) if is_small else None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {what} file: {describe_error(error)}") from None
    return _checked(content, what)


def _checked(content: bytes | None, what: str) -> bytes:
    """Check the content of a file and return it. The argument None stands for a file that was too large."""
    if content is None or len(content) > file_bounds.MEDIUM:
        raise ConfigError(f"{what} file has more than {file_bounds.MEDIUM:,} bytes; store it as an artifact")
    return content


def _object_content(file: Any, what: str) -> bytes:
    """Return all bytes of a binary file object, and restore the position in the file."""
    if file.seekable() is True:
        position = file.tell()
        file.seek(0)
        content = file.read(file_bounds.MEDIUM + 1)
        file.seek(position)
    else:
        content = file.read(file_bounds.MEDIUM + 1)
    if not isinstance(content, bytes):
        raise ConfigError(f"{what} file must be read as bytes, not as {type(content).__name__}; open it in mode 'rb'")
    return content


def stored_unchanged(content: bytes, formats: Sequence[MediaFormat], what: str) -> StoredFile:
    """Check the format of a file, and return the content, which is stored unchanged.

    Raises:
        ConfigError: The file has none of the supported formats.
    """
    known = recognise(content[:HEAD_BYTES], len(content), formats)
    if known is None:
        names = ", ".join(known.suffix.removeprefix(".").upper() for known in formats)
        raise ConfigError(f"its {len(content):,} bytes are not {what} file; supported formats are {names}")
    return StoredFile(content, {}, (), known.suffix)
