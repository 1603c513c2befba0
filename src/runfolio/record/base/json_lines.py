"""Lines of `.jsonl` files, of which none fills the memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from runfolio.record.base.file_bounds import JSON_LINE

_TOO_LONG = b"\0"
"""What is left of a line that is too long: not JSON."""


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """Return the lines of a file, with their newlines; the last one may lack it.

    Of a line that is longer than the longest in a record, one byte is left, which no decoder takes.
    """
    while line := file.readline(JSON_LINE):
        if len(line) == JSON_LINE and not line.endswith(b"\n"):
            while (line := file.readline(JSON_LINE)) and not line.endswith(b"\n"):
                pass
            line = _TOO_LONG + line[-1:]
        yield line


def read_slices(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Return the complete lines of a file, joined by newlines, in slices of about `size` bytes; long lines as above."""
    partial = b""
    while block := file.read(size):
        if partial == _TOO_LONG and b"\n" not in block:
            continue
        lines, newline, partial = (partial + block).rpartition(b"\n")
        if newline:
            yield lines
        if len(partial) > JSON_LINE:
            partial = _TOO_LONG
