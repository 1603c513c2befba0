"""Reader of `.jsonl` files that limits the length of lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from runfolio.record.base import file_bounds

_TOO_LONG = b"\0"
"""Invalid line that replaces each line above the length limit."""


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file. Each line includes its newline. The last line may have no newline.

    A line that exceeds the limit is replaced with a single byte, which no decoder accepts.
    """
    while line := file.readline(file_bounds.JSON_LINE):
        if _is_cut(line):
            line = _TOO_LONG + _skip_line(file)
        yield line
        if not line.endswith(b"\n"):  # a process may still be writing the rest of the line
            return


def read_slices(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Yield the complete lines of a file in slices of about `size` bytes.

    Each slice is yielded with the position at which it ends in the file. Long lines are replaced as in `read_lines`.
    """
    while block := file.read(size):
        end = b"" if block.endswith(b"\n") else file.readline(file_bounds.JSON_LINE)
        if _is_cut(end):
            block, end = block[: block.rfind(b"\n") + 1], _TOO_LONG + _skip_line(file)
        lines, newline, partial = (block + end).rpartition(b"\n")
        if newline:
            yield lines, file.tell() - len(partial)
        if partial:
            return


def _is_cut(line: bytes) -> bool:
    return len(line) == file_bounds.JSON_LINE and not line.endswith(b"\n")


def _skip_line(file: BinaryIO) -> bytes:
    """Skip the rest of a line. Return the newline at its end, or empty bytes if the file ends without a newline."""
    while _is_cut(line := file.readline(file_bounds.JSON_LINE)):
        pass
    return line[-1:] if line.endswith(b"\n") else b""
