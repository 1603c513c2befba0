"""Media: images, figures, texts, histograms and graphs, one line each (`docs/format.md`, Media)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Required, TypedDict

import orjson

from runfolio.errors import ConfigError, DamagedFile, NewerFormat
from runfolio.record.base import file_bounds, files, schema
from runfolio.record.base.json_lines import read_lines
from runfolio.record.base.layout import MEDIA, MEDIA_FILES, slug
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.schema import AnyNumber, Count, FileNameText, Integer, Line, Number, Prose
from runfolio.record.points import tails


class Picture(TypedDict, total=False):
    """Fields of a line for an image or a figure."""

    file: Required[FileNameText]
    """Name below `media/files/`."""
    caption: Prose | None
    range: list[AnyNumber]
    mode: Line
    frames: Count
    not_finite: Count


class LoggedText(TypedDict):
    text: Required[Prose]


class LoggedHistogram(TypedDict, total=False):
    edges: Required[list[Number]]
    """Ascending, one more than counts; empty without counts."""
    counts: Required[list[Number]]
    mean: AnyNumber | None
    std: AnyNumber | None
    min: AnyNumber | None
    max: AnyNumber | None
    nan: Required[Count]
    inf: Required[Count]


class GraphNode(TypedDict):
    name: Required[Line]
    op: Required[Line]
    inputs: Required[list[Line]]
    attributes: Required[dict[str, Prose]]


class LoggedGraph(TypedDict):
    nodes: Required[list[GraphNode]]


def _chart(value: Any) -> Any:
    kind, tags = value
    if kind not in ("multiline", "margin") or not all(isinstance(tag, str) for tag in tags):
        raise ValueError
    if not isinstance(tags, list) or (kind == "margin" and len(tags) != 3):
        raise ValueError
    return value


Chart = Annotated[list[Any], schema.checked('`["multiline", [tag, ...]]` or `["margin", [tag, tag, tag]]`', _chart)]


class LoggedLayout(TypedDict):
    charts: Required[dict[str, dict[str, Chart]]]


CONTENTS: dict[str, type] = {
    "image": Picture,
    "figure": Picture,
    "text": LoggedText,
    "histogram": LoggedHistogram,
    "graph": LoggedGraph,
    "layout": LoggedLayout,
}
"""Additional fields of a line, by kind."""
KINDS = tuple(CONTENTS)


class MediaLine(TypedDict):
    """Fields of every line."""

    seq: Required[Integer]
    time_us: Required[Integer]
    step: Required[Integer]
    kind: Required[Line]
    name: Required[Line]


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


def index_path(folder: Path, writer: str, number: int = 1) -> RecordPath:
    """Return the media list of a writer; numbers above 1 are for lines from a spool."""
    return RecordPath(folder, MEDIA) / (f"{writer}.jsonl" if number == 1 else f"{writer}-{number}.jsonl")


def picture_path(folder: Path, name: str) -> RecordPath:
    return RecordPath(folder, MEDIA, MEDIA_FILES) / name


def read_picture(folder: Path, entry: MediaEntry) -> bytes | None:
    """Return the image of an entry; None if it has none.

    Raises:
        OSError: It was deleted, or cannot be read.
    """
    return None if entry.path is None else picture_path(folder, entry.path.name).read_bytes(file_bounds.PICTURE)


def file_name(name: str, step: int, writer: str, seq: int) -> str:
    """Return the name of an image below `media/files/`, which is unique because (writer, seq) is."""
    return f"{slug(name)}-{step}-{writer}-{seq}.png"


def encode(seq: int, time_us: int, step: int, kind: str, name: str, content: dict[str, Any]) -> bytes:
    """Encode an entry as a line.

    Raises:
        ConfigError: It exceeds the longest line of a record.
    """
    line = {"seq": seq, "time_us": time_us, "step": step, "kind": kind, "name": name, **content}
    encoded = orjson.dumps(files.plain_json(line), option=orjson.OPT_APPEND_NEWLINE)
    if len(encoded) > file_bounds.JSON_LINE:
        most = file_bounds.JSON_LINE
        raise ConfigError(f"it takes {len(encoded):,} bytes, but the limit is {most:,}; store it as an artifact")
    return encoded


def read(folder: Path) -> tuple[list[MediaEntry], list[str]]:
    """Return all media of a run in order of arrival, and the problems found, one line each."""
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
    """Decode one line; None if it is invalid."""
    value = tails.decode_object(line)
    if value is None or files.is_deep(line, value):
        return None
    try:
        fields = schema.decode_whole(MediaLine, value)
        content = schema.decode_whole(CONTENTS[fields["kind"]], schema.unknown_keys(MediaLine, fields))
    except (KeyError, ValueError):
        return None
    if fields["kind"] == "histogram" and len(content["edges"]) != len(content["counts"]) + bool(content["counts"]):
        return None
    path = picture_path(folder, content["file"]).path if "file" in content else None
    about = {name: fields[name] for name in schema.names(MediaLine)}
    return MediaEntry(**about, attempt=attempt, writer=writer, content=content, path=path)
