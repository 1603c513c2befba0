"""Media: images, figures, texts, histograms and graphs, one line each (`docs/format.md`, Media)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from runfolio.errors import DamagedFile, NewerFormat
from runfolio.record.base import files
from runfolio.record.base.layout import MEDIA, MEDIA_FILES, slug
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
    """Values that depend on the kind; see `docs/format.md`, Media."""
    path: Path | None = None
    """Image file of images and figures."""


def index_path(folder: Path, writer: str, number: int = 1) -> Path:
    """Return the media list of a writer; numbers above 1 are for lines from a spool."""
    return folder / MEDIA / (f"{writer}.jsonl" if number == 1 else f"{writer}-{number}.jsonl")


def file_name(name: str, step: int, writer: str, seq: int) -> str:
    """Return the name of an image below `media/files/`, which is unique because (writer, seq) is."""
    return f"{slug(name)}-{step}-{writer}-{seq}.png"


def encode(seq: int, time_us: int, step: int, kind: str, name: str, content: dict[str, Any]) -> bytes:
    line = {"seq": seq, "time_us": time_us, "step": step, "kind": kind, "name": name, **content}
    return orjson.dumps(files.plain_json(line), option=orjson.OPT_APPEND_NEWLINE)


def read(folder: Path) -> tuple[list[MediaEntry], list[str]]:
    """Return all media of a run in order of arrival, and the problems found, one line each."""
    entries: list[MediaEntry] = []
    problems: list[str] = []
    for path in sorted((folder / MEDIA).glob("*.jsonl")):
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


def _read_index(folder: Path, path: Path) -> tuple[list[MediaEntry], int]:
    lines = tails.complete_lines(path.read_bytes())
    if not lines:
        return [], 0
    writer, attempt = tails.read_header(lines[0], path)
    decoded = [decode(folder, line, writer, attempt) for line in lines[1:]]
    entries = [entry for entry in decoded if entry is not None]
    return entries, len(decoded) - len(entries)


def decode(folder: Path, line: bytes, writer: str, attempt: int) -> MediaEntry | None:
    """Decode one line; None if it is invalid."""
    try:
        content = dict(tails.decode_object(line) or {})
        fields = {key: content.pop(key) for key in ("seq", "time_us", "step", "kind", "name")}
        picture = content.get("file")
    except KeyError:
        return None
    if not all(tails.is_integer(fields[key]) for key in ("seq", "time_us", "step")) or not isinstance(
        fields["name"], str
    ):
        return None
    if fields["kind"] not in KINDS or (picture is not None and not files.is_file_name(picture)):
        return None
    path = folder / MEDIA / MEDIA_FILES / picture if picture else None
    return MediaEntry(**fields, attempt=attempt, writer=writer, content=content, path=path)
