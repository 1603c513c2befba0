"""Console logs: the output of a process as text (`docs/format.md`, Console)."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from runfolio.record.base import file_bounds
from runfolio.record.base.layout import CONSOLE
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.redaction import redact_text
from runfolio.record.content.console_screen import ConsoleScreen

LARGEST = 50 * 1024 * 1024
NEWEST = 1024 * 1024
"""Number of bytes reserved for the newest output in a full log."""
_LINE_LENGTH = 100_000
"""Maximum length in characters of a line that `last_lines` returns. Longer lines are cut, since a log may consist of a
single line."""
_LINE_BYTES = 200
"""Estimated bytes per line. If lines are longer on average, more of the file is read."""


def log_path(folder: Path, writer: str) -> RecordPath:
    return RecordPath(folder, CONSOLE) / f"{writer}.log"


class ConsoleLog:
    """Log of a running process. If output cannot be written or exceeds the size limit, only the newest output stays in
    memory."""

    def __init__(self, path: RecordPath, largest: int = LARGEST, newest: int = NEWEST) -> None:
        self._path = path
        self._room = largest - newest
        self._newest = newest
        self._waiting = bytearray()
        self._left_out = 0
        self._descriptor: int | None = None

    def write(self, text: str) -> None:
        """Append complete lines."""
        self._waiting += text.encode(errors="replace")
        if not self._left_out:
            self._append(self._waiting.rfind(b"\n", 0, max(0, self._room)) + 1)
        if (surplus := len(self._waiting) - self._newest) > 0:
            surplus = self._waiting.find(b"\n", surplus) + 1 or surplus
            self._left_out += surplus
            del self._waiting[:surplus]

    def close(self) -> None:
        if self._left_out:
            self._waiting[:0] = f"[... {self._left_out} bytes left out ...]\n".encode()
        self._append(len(self._waiting))
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _append(self, size: int) -> None:
        """Write the first `size` pending bytes. If the disk is full, write only a part of them."""
        try:
            if self._descriptor is None:
                self._path.parent.mkdir()
                self._descriptor = self._path.create()
            while size > 0:
                written = os.write(self._descriptor, self._waiting[:size])
                self._room -= written
                size -= written
                del self._waiting[:written]
        except OSError:
            return


class Transcript:
    """Output streams of one process. The output is written to the logs of all open runs of the process."""

    def __init__(self) -> None:
        self._screens: defaultdict[int, ConsoleScreen] = defaultdict(ConsoleScreen)
        self._logs: dict[RecordPath, ConsoleLog] = {}

    @property
    def logs(self) -> list[RecordPath]:
        return list(self._logs)

    def attach(self, path: RecordPath) -> None:
        """Start a log, which does not include earlier output."""
        self._finish_lines()
        self._logs[path] = ConsoleLog(path)

    def detach(self, path: RecordPath) -> None:
        """Write the remaining lines to a log, and close it."""
        self._finish_lines()
        if log := self._logs.pop(path, None):
            log.close()

    def feed(self, stream: int, data: bytes, now: float) -> None:
        """Process output of one stream. Lines of other streams are written first, since they were printed earlier."""
        if self._logs:
            for other, screen in self._screens.items():
                if other != stream:
                    self._write(screen.settle())
            self._write(self._screens[stream].feed(data, now))

    def add(self, path: RecordPath, line: str) -> None:
        """Add a line to one log, but do not print the line."""
        if log := self._logs.get(path):
            log.write(redact_text(line) + "\n")

    def tick(self, now: float) -> None:
        """Write the lines that are old enough to count as final. Call this method several times per second while there
        is output."""
        for screen in self._screens.values():
            self._write(screen.flush_due(now))

    def _finish_lines(self) -> None:
        for screen in self._screens.values():
            self._write(screen.finish())

    def _write(self, lines: list[str]) -> None:
        if lines:
            text = redact_text("\n".join(lines)) + "\n"
            for log in self._logs.values():
                log.write(text)


def last_lines(path: RecordPath, count: int) -> list[str]:
    """Return the newest lines of a log. The list is empty if the log is missing or unreadable."""
    try:
        return [_cut(line) for line in read_last_lines(path, count)]
    except OSError:
        return []


def _cut(line: str) -> str:
    return line if len(line) <= _LINE_LENGTH else f"{line[:_LINE_LENGTH]} [...]"


def read_last_lines(path: RecordPath, count: int) -> list[str]:
    """Return the newest lines of a log.

    Raises:
        OSError: The log is missing or unreadable.
    """
    with path.open(file_bounds.CONSOLE) as file:
        size = file.seek(0, os.SEEK_END)
        span = (count + 1) * _LINE_BYTES
        while True:
            start = file.seek(max(0, size - span))
            data = file.read(size - start)
            if start == 0 or data.count(b"\n") > count:
                break
            span *= 4
    lines = data.decode(errors="replace").removesuffix("\n").split("\n")
    return lines[-count:] if count and data else []
