"""Scan the JSON Lines files of a run to find their log calls and their damage.

A writer is a process that logs to the run. Its newest points are in a tail, and its images and other media are named in
a media list. Both files have one line per log call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from runfolio.errors import DamagedFile
from runfolio.record.base import file_bounds, files
from runfolio.record.base.json_lines import read_lines
from runfolio.record.base.record_path import RecordPath
from runfolio.record.content import media
from runfolio.record.content.media import MediaEntry
from runfolio.record.points import tails
from runfolio.record.points.seq_ranges import SeqRanges
from runfolio.record.points.tails import LogCall

Call = TypeVar("Call", LogCall, MediaEntry)

_TAIL_NAME = re.compile(r"tail-([0-9a-z]+)-\d+\.jsonl")
_MEDIA_NAME = re.compile(r"([0-9a-z]+)(-\d+)?\.jsonl")


@dataclass(eq=False)
class Lines:
    """Content of a tail or a media list, as found by a scan."""

    path: RecordPath
    writer: str
    attempt: int
    header: str | None = None
    """Problem with the first line, if any. In this case, `attempt` comes from other files."""
    calls: int = 0
    damaged: int = 0
    """Number of invalid lines."""
    disordered: int = 0
    """Number of lines whose sequence number does not exceed that of the previous line."""
    torn: int = 0
    """Number of bytes after the last newline."""
    ranges: list[tuple[int, int]] = field(default_factory=list)
    """Ranges of log calls in file order. Consecutive calls form one range."""

    @property
    def is_whole(self) -> bool:
        return self.header is None and not self.damaged and not self.disordered

    @property
    def readable(self) -> SeqRanges:
        return {self.writer: list(self.ranges)}

    def add(self, seq: int) -> None:
        self.calls += 1
        if self.ranges and seq <= self.ranges[-1][1]:
            self.disordered += 1
        if self.ranges and seq == self.ranges[-1][1] + 1:
            self.ranges[-1] = (self.ranges[-1][0], seq)
        else:
            self.ranges.append((seq, seq))


def is_tail(name: str) -> bool:
    return _TAIL_NAME.fullmatch(name) is not None


def is_media(name: str) -> bool:
    return _MEDIA_NAME.fullmatch(name) is not None


def scan_tail(path: RecordPath, attempts: Mapping[str, int]) -> Lines | None:
    """Return the content of a tail, or None if the tail is empty.

    Args:
        attempts: Attempt number of each writer, used if the first line of the tail is invalid.
    Raises:
        FileNotFoundError: The tail is missing.
        NewerFormat: A newer version of runfolio wrote the tail.
        OSError: The tail cannot be read.
    """
    return _scan(path, _TAIL_NAME, attempts, lambda line, _: _log_call(line))


def scan_media(path: RecordPath, attempts: Mapping[str, int]) -> Lines | None:
    """Return the content of a media list, or None if the list is empty. Raise the same errors as `scan_tail`."""
    return _scan(path, _MEDIA_NAME, attempts, _media_decoder(path))


def tail_calls(lines: Lines) -> Iterator[LogCall]:
    """Return the log calls of a tail, in file order."""
    return (call for _, call in _calls(lines, lambda line, _: _log_call(line)))


def media_calls(lines: Lines) -> Iterator[tuple[bytes, MediaEntry]]:
    """Return the entries of a media list, each with its line."""
    return _calls(lines, _media_decoder(lines.path))


def _log_call(line: bytes) -> LogCall | None:
    value = tails.decode_object(line)
    try:
        call = LogCall(**{name: (value or {})[name] for name in LogCall._fields})
        numbers = {name: files.number_from_json(entry) for name, entry in call.values.items()}
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None
    integers = all(map(tails.is_integer, (call.seq, call.time_us, call.step)))
    return call._replace(values=numbers) if integers else None


def _media_decoder(path: RecordPath) -> Callable[[bytes, Lines], MediaEntry | None]:
    folder = Path(path.root)
    return lambda line, lines: media.decode(folder, line, lines.writer, lines.attempt)


def _scan(
    path: RecordPath, name: re.Pattern[str], attempts: Mapping[str, int], decode: Callable[[bytes, Lines], Call | None]
) -> Lines | None:
    match = name.fullmatch(path.name)
    writer = match[1] if match else ""
    lines = Lines(path, writer, attempts.get(writer, 1))
    with path.open(file_bounds.JSON_LINES) as file:
        content = read_lines(file)
        first = next(content, b"")
        if not first.endswith(b"\n"):
            lines.torn = len(first)
            return lines if first else None
        lines.header = _header_problem(lines, first, attempts)
        for line in content:
            if not line.endswith(b"\n"):
                lines.torn = len(line)
            elif (call := decode(line, lines)) is not None:
                lines.add(call.seq)
            else:
                lines.damaged += 1
    return lines


def _header_problem(lines: Lines, first: bytes, attempts: Mapping[str, int]) -> str | None:
    """Return the problem with a file's first line. If the line is valid, set `lines.attempt` and return None."""
    try:
        writer, attempt = tails.read_header(first, lines.path)
    except DamagedFile:
        return "is damaged (its first line is not a valid header)"
    if writer != lines.writer:
        return f"is damaged (its first line names the writer {writer}, but its file name does not)"
    if attempt != attempts.get(writer, attempt):
        return f"is damaged (its first line names attempt {attempt}, but its writer belongs to a different one)"
    lines.attempt = attempt
    return None


def _calls(lines: Lines, decode: Callable[[bytes, Lines], Call | None]) -> Iterator[tuple[bytes, Call]]:
    with lines.path.open(file_bounds.JSON_LINES) as file:
        for line in read_lines(file):
            if line.endswith(b"\n") and (call := decode(line, lines)) is not None:
                yield line, call
