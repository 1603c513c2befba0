"""Cursors that let a reader continue to read the points of a run that is being written.

A cursor is an opaque string of at most 2 KB. A cursor contains a digest of the run's attempts and files of points, and
a position in each tail (text file with the newest points). A cursor becomes unusable if a file of points was added,
removed or replaced. This happens when a tail is converted to a segment (Parquet file), or when the run is compacted. A
cursor also becomes unusable if a tail was rewritten or another attempt started. A cursor may come from anybody, so it
contains no names, and each position is checked against the file.
"""

from __future__ import annotations

import binascii
import hashlib
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import NamedTuple

from runfolio.errors import RunfolioError
from runfolio.record.base.layout import METRICS
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import RunDocument
from runfolio.record.points.opened_files import OpenedFiles, is_segment, is_tail, list_files
from runfolio.record.points.tail_columns import Tail, TailPosition

LONGEST = 2048
"""Maximum length of a cursor in characters."""
_UNUSABLE = ""
"""Cursor that no reader can use to continue."""
_HEADER = struct.Struct(">B?16s")
_POSITION = struct.Struct(">QI")
_VERSION = 1
_MOST_TAILS = (LONGEST * 3 // 4 - _HEADER.size) // _POSITION.size


class _Cursor(NamedTuple):
    digest: bytes
    positions: list[TailPosition]
    """Position in each tail (text file with the newest points), ordered by the names of the tails."""
    is_shared: bool
    """True if some points come from a process that neither started nor resumed the run, such as another rank."""

    def encode(self) -> str:
        packed = b"".join(_POSITION.pack(*position) for position in self.positions)
        return urlsafe_b64encode(_HEADER.pack(_VERSION, self.is_shared, self.digest) + packed).decode()

    @classmethod
    def decode(cls, text: str) -> _Cursor | None:
        if not text or len(text) > LONGEST:
            return None
        try:
            content = urlsafe_b64decode(text.encode("ascii"))
            version, is_shared, digest = _HEADER.unpack_from(content)
            positions = [TailPosition(*values) for values in _POSITION.iter_unpack(content[_HEADER.size :])]
        except (UnicodeEncodeError, binascii.Error, struct.error):
            return None
        return cls(digest, positions, is_shared) if version == _VERSION else None


def cursor_of(files: OpenedFiles, document: RunDocument) -> str:
    """Return a cursor that points to the end of the opened files. The files must have been read from their
    beginning."""
    tails = sorted((tail for tail, _ in files.tails), key=lambda tail: tail.path)
    if len(tails) > _MOST_TAILS:
        return _UNUSABLE
    paths = [*(tail.path for tail in tails), *(segment.path for segment in files.segments)]
    writers = {tail.writer for tail in tails}.union(*(segment.ranges for segment in files.segments))
    is_shared = not writers <= {attempt.writer for attempt in document.attempts}
    try:
        return _Cursor(_digest(paths, document), [tail.position for tail in tails], is_shared).encode()
    except OSError:  # a segment (Parquet file) was replaced in the meantime
        return _UNUSABLE


def open_after(folder: Path, document: RunDocument, cursor: str) -> tuple[OpenedFiles, str] | None:
    """Return the lines that were added to a run's tails (text files with the newest points) since `cursor`, and the
    next cursor.

    Return None if the reader cannot continue from the cursor and has to read all points again.
    """
    start = _Cursor.decode(cursor)
    if start is None:
        return None
    try:
        paths = [path for path in list_files(RecordPath(folder, METRICS)) if is_tail(path) or is_segment(path)]
        if start.digest != _digest(paths, document):
            return None
        files = OpenedFiles()
        for path, position in zip(filter(is_tail, paths), start.positions, strict=True):
            tail = Tail.open_at(path, position)
            if tail is None:
                return None
            files.tails.append((tail, list(tail.slices())))
            if tail.damaged:  # a reader of all points reports this damage
                return None
    except (RunfolioError, OSError, ValueError):  # a file is gone or damaged, or the number of positions is wrong
        return None
    positions = [tail.position for tail, _ in files.tails]
    if start.is_shared and positions != start.positions:
        # The points of some processes are hidden if another process has logged the same metric. The points before the
        # cursor are needed to decide this.
        return None
    return files, start._replace(positions=positions).encode()


def _digest(paths: list[RecordPath], document: RunDocument) -> bytes:
    attempts = [(attempt.attempt, attempt.writer, sorted(attempt.kept.items())) for attempt in document.attempts]
    parts = [repr(attempts)]
    for path in sorted(paths):
        status = path.status() if is_segment(path) else None
        parts.append(f"{path.name} {status.st_size} {status.st_mtime_ns}" if status else path.name)
    return hashlib.blake2b("\n".join(parts).encode(errors="surrogateescape"), digest_size=16).digest()
