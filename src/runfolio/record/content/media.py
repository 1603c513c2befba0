"""Media: images, figures, texts, histograms and graphs, one line each (`docs/format.md`, Media)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from runfolio.errors import ConfigError, DamagedFile, NewerFormat
from runfolio.record.base import file_bounds, files
from runfolio.record.base.file_names import is_file_name
from runfolio.record.base.json_lines import read_lines
from runfolio.record.base.layout import MEDIA, MEDIA_FILES, slug
from runfolio.record.base.record_path import RecordPath
from runfolio.record.points import tails

KINDS = ("image", "figure", "text", "histogram", "graph", "layout")


@dataclass(frozen=True)
class MediaEntry:
    """One logged image, figure, text, histogram, graph or layout."""

    seq: int
    time_us: int
    step: int
    kind: str
    name: str
    attempt: int
    writer: str
    content: dict[str, Any] = field(default_factory=dict)
    """What the kind adds: see `docs/format.md`, Media."""
    path: Path | None = None
    """The picture, for images and figures."""


def index_path(folder: Path, writer: str, number: int = 1) -> RecordPath:
    """Where a writer's lines go; to numbers above 1 those that waited elsewhere while the store was away."""
    return RecordPath(folder, MEDIA) / (f"{writer}.jsonl" if number == 1 else f"{writer}-{number}.jsonl")


def picture_path(folder: Path, name: str) -> RecordPath:
    return RecordPath(folder, MEDIA, MEDIA_FILES) / name


def read_picture(folder: Path, entry: MediaEntry) -> bytes | None:
    """Return the picture of an entry; None if it has none.

    Raises:
        OSError: It is gone, or cannot be read.
    """
    return None if entry.path is None else picture_path(folder, entry.path.name).read_bytes(file_bounds.PICTURE)


def file_name(name: str, step: int, writer: str, seq: int) -> str:
    """Where a picture goes below `media/files/`; unique because (writer, seq) is."""
    return f"{slug(name)}-{step}-{writer}-{seq}.png"


def encode(seq: int, time_us: int, step: int, kind: str, name: str, content: dict[str, Any]) -> bytes:
    """Return the line of an entry.

    Raises:
        ConfigError: It is longer than a line of a record can be.
    """
    line = {"seq": seq, "time_us": time_us, "step": step, "kind": kind, "name": name, **content}
    encoded = orjson.dumps(files.plain_json(line), option=orjson.OPT_APPEND_NEWLINE)
    if len(encoded) > file_bounds.JSON_LINE:
        most = file_bounds.JSON_LINE
        raise ConfigError(f"it takes {len(encoded):,} bytes, of at most {most:,}; keep it as an artifact")
    return encoded


def read(folder: Path) -> tuple[list[MediaEntry], list[str]]:
    """All media of a run in order of arrival, and what could not be read, a line each."""
    entries: list[MediaEntry] = []
    problems: list[str] = []
    try:
        paths = [path for path in RecordPath(folder, MEDIA).entries() if path.suffix == ".jsonl"]
    except OSError as error:
        return [], [f"cannot list {folder / MEDIA}: {error.strerror}"]
    for path in paths:
        try:
            index_entries, damaged = _read_index(folder, path)
        except (DamagedFile, NewerFormat) as error:
            problems.append(str(error))
            continue
        except OSError as error:
            problems.append(f"cannot read {path}: {error.strerror}")
            continue
        entries.extend(index_entries)
        if damaged:
            problems.append(f"{path}: {damaged} damaged line(s)")
    unique_entries = {(entry.attempt, entry.writer, entry.seq): entry for entry in entries}
    return [unique_entries[key] for key in sorted(unique_entries)], problems


def _read_index(folder: Path, path: RecordPath) -> tuple[list[MediaEntry], int]:
    entries: list[MediaEntry] = []
    damaged = 0
    with path.open(file_bounds.JSON_LINES) as file:
        lines = (line for line in read_lines(file) if line.endswith(b"\n"))
        if (header := next(lines, None)) is None:
            return [], 0
        writer, attempt = tails.read_header(header, path)
        for line in lines:
            if (entry := decode(folder, line, writer, attempt)) is not None:
                entries.append(entry)
            else:
                damaged += 1
    return entries, damaged


def decode(folder: Path, line: bytes, writer: str, attempt: int) -> MediaEntry | None:
    """The entry of a line; None where it is not one."""
    value = tails.decode_object(line)
    if value is None or files.is_deep(line, value):
        return None
    try:
        content = dict(value)
        fields = {key: content.pop(key) for key in ("seq", "time_us", "step", "kind", "name")}
        picture = content.get("file")
    except KeyError:
        return None
    if not all(tails.is_integer(fields[key]) for key in ("seq", "time_us", "step")) or not isinstance(
        fields["name"], str
    ):
        return None
    if fields["kind"] not in KINDS or (picture is not None and not is_file_name(picture)):
        return None
    path = picture_path(folder, picture).path if picture else None
    return MediaEntry(**fields, attempt=attempt, writer=writer, content=content, path=path)
