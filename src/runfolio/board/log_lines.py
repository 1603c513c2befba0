"""Access to the lines of a console log by number, without reading the whole log for each request."""

from __future__ import annotations

import threading
from bisect import bisect_right
from io import BufferedReader

import numpy as np

from runfolio.board.time_limit import check_time
from runfolio.record.base import file_bounds
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.visible_text import visible_text

_EVERY = 256
"""Number of lines between two lines whose byte offsets are stored."""
_CHUNK_BYTES = 1 << 20
_SEARCHED_BYTES = 1 << 23
"""Number of bytes at the end of a log that are searched for the newest error."""
_LONGEST = 4_000
"""Maximum number of characters of a line in a reply."""
_MOST_CACHED = 32
_NEWLINE = ord("\n")


class LogLines:
    """Lines of one log. The offsets of some lines are stored, and new offsets are added when the log has grown."""

    def __init__(self, path: RecordPath) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._offsets = [0]
        """Byte offset of each line whose number is a multiple of `_EVERY`."""
        self._complete = 0
        """Number of lines that end with a newline."""
        self._scanned = 0

    def count(self) -> int:
        """Return the number of lines, including a last line without a newline."""
        with self._lock, self._path.open(file_bounds.CONSOLE) as file:
            return self._extend(file)

    def read(self, start: int, count: int) -> list[str]:
        """Return at most `count` lines, beginning with line number `start`. Invisible characters are escaped."""
        with self._lock, self._path.open(file_bounds.CONSOLE) as file:
            total = self._extend(file)
            count = min(count, total - start)
            if count <= 0:
                return []
            self._offset_of(file, start)
            return [_shown(file.readline()) for _ in range(count)]

    def search(self, text: str, most: int) -> tuple[int, list[int]]:
        """Return the number of lines that contain `text`, ignoring case.

        Also return the line numbers of the first `most` of these lines.
        """
        wanted = text.lower()
        total, numbers, first = 0, [], 0
        with self._path.open(file_bounds.CONSOLE) as file:
            while block := file.read(_CHUNK_BYTES) + file.readline():
                check_time()
                lines = block.decode(errors="replace").lower()
                if wanted in lines:
                    matching = [index for index, line in enumerate(lines.split("\n")) if wanted in line]
                    total += len(matching)
                    numbers += [first + index for index in matching[: most - len(numbers)]]
                first += block.count(b"\n")
        return total, numbers

    def find_last(self, text: bytes, before: int | None = None) -> int | None:
        """Return the number of the last line that contains `text`. Only the end of a long log is searched.

        Args:
            before: Number of the line at which the search ends. Default: the end of the log.
        """
        with self._lock, self._path.open(file_bounds.CONSOLE) as file:
            self._extend(file)
            end = self._scanned if before is None else self._offset_of(file, before)
            start = max(0, end - _SEARCHED_BYTES)
            file.seek(start)
            position = file.read(end - start).rfind(text)
            return None if position < 0 else self._number_at(file, start + position)

    def _extend(self, file: BufferedReader) -> int:
        """Store the offsets of new lines, and return the number of all lines."""
        size = file.seek(0, 2)
        if size < self._scanned:  # the log was replaced
            self._offsets, self._complete, self._scanned = [0], 0, 0
        file.seek(self._scanned)
        while data := file.read(min(_CHUNK_BYTES, size - self._scanned)):
            starts = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE) + self._scanned + 1
            self._offsets += starts[(-self._complete - 1) % _EVERY :: _EVERY].tolist()
            self._complete += len(starts)
            self._scanned += len(data)
        file.seek(max(0, self._scanned - 1))
        return self._complete + (file.read(1) not in (b"\n", b""))

    def _offset_of(self, file: BufferedReader, number: int) -> int:
        """Move to the beginning of a line, and return the byte offset of the line."""
        file.seek(self._offsets[min(number // _EVERY, len(self._offsets) - 1)])
        for _ in range(number % _EVERY):
            file.readline()
        return file.tell()

    def _number_at(self, file: BufferedReader, position: int) -> int:
        block = bisect_right(self._offsets, position) - 1
        file.seek(self._offsets[block])
        return block * _EVERY + file.read(position - self._offsets[block]).count(b"\n")


def log_lines(path: RecordPath) -> LogLines:
    """Return the lines of a log. Recently used logs are cached, so their lines are counted only once."""
    with _LOCK:
        lines = _CACHE.pop(path, None) or LogLines(path)
        _CACHE[path] = lines
        for old in list(_CACHE)[:-_MOST_CACHED]:
            del _CACHE[old]
    return lines


_CACHE: dict[RecordPath, LogLines] = {}
_LOCK = threading.Lock()


def _shown(line: bytes) -> str:
    text = visible_text(line.removesuffix(b"\n").decode(errors="replace"))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} [{len(text) - _LONGEST:,} more characters]"
