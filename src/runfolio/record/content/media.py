"""Logged media and the files that list them (`docs/format.md`, Media).

Media are images, figures, audio, video, tables, meshes, texts, histograms, precision-recall curves and graphs. A media
list is a file with one line per logged entry.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Required, TypedDict

import orjson

from runfolio.errors import ConfigError, DamagedFile, NewerFormat, NotFound
from runfolio.record.base import file_bounds, files, schema
from runfolio.record.base.json_lines import read_lines
from runfolio.record.base.layout import MEDIA, MEDIA_FILES, slug
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.run_document import RunDocument
from runfolio.record.base.schema import AnyNumber, Count, FileNameText, Integer, Line, Most, Number, Prose, Tree
from runfolio.record.content import media_types
from runfolio.record.points import tails

if TYPE_CHECKING:
    import pyarrow as pa

MOST_BOXES = 10_000
"""Maximum number of boxes on an image."""
MOST_MASKS = 16
"""Maximum number of masks on an image."""
MOST_CLASSES = 65_536
"""Maximum number of class names for the boxes and masks of an image."""


def _corners(value: Any) -> list[float]:
    if not isinstance(value, list) or len(value) != 4:
        raise ValueError
    return [schema.finite(entry) for entry in value]


class Box(TypedDict, total=False):
    """Box over an image."""

    box: Required[Annotated[list[float], schema.checked("a list of 4 numbers: left, top, right, bottom", _corners)]]
    """Left, top, right and bottom edges, in pixels of the image."""
    label: Prose | None
    score: AnyNumber | None
    group: Line | None
    """Name that several boxes share, such as `predicted`."""


class Picture(TypedDict, total=False):
    """Fields of an image or a figure in a media list."""

    file: Required[FileNameText]
    """Name below `media/files/`."""
    bytes: Count
    """Size of the file."""
    caption: Prose | None
    range: list[AnyNumber]
    mode: Line
    frames: Count
    not_finite: Count
    boxes: Annotated[list[Box], Most(MOST_BOXES)]
    boxes_left_out: Count
    masks: Annotated[dict[str, FileNameText], Most(MOST_MASKS)]
    """File name of each mask below `media/files/`, by the name of the mask."""
    classes: Annotated[dict[str, Prose], Most(MOST_CLASSES)]
    """Class names, by the number that represents the class in the masks."""


class LoggedAudio(TypedDict, total=False):
    file: Required[FileNameText]
    bytes: Required[Count]
    caption: Prose | None
    sample_rate: Count
    """Number of samples per second in each channel."""
    channels: Count
    samples: Count
    """Number of samples in each channel."""
    clipped: Count
    not_finite: Count


class LoggedVideo(TypedDict, total=False):
    file: Required[FileNameText]
    bytes: Required[Count]
    caption: Prose | None
    width: Count
    height: Count
    frames: Count
    fps: Number
    range: list[AnyNumber]
    not_finite: Count


class LoggedTable(TypedDict, total=False):
    file: Required[FileNameText]
    bytes: Required[Count]
    caption: Prose | None
    rows: Count
    rows_left_out: Count
    columns: Annotated[list[Prose], Most(file_bounds.TABLE_COLUMNS)]
    """Names of the columns."""
    images: Annotated[list[Prose], Most(file_bounds.TABLE_COLUMNS)]
    """Names of the columns that contain images."""


class LoggedMesh(TypedDict, total=False):
    file: Required[FileNameText]
    bytes: Required[Count]
    caption: Prose | None
    vertices: Count
    faces: Count
    not_finite: Count
    config: Tree
    """Configuration of TensorBoard's view of the mesh."""


class LoggedText(TypedDict):
    text: Required[Prose]


class LoggedHistogram(TypedDict, total=False):
    edges: Required[list[Number]]
    """Bin edges in ascending order. There is one more edge than counts, or no edge if there are no counts."""
    counts: Required[list[Number]]
    mean: AnyNumber | None
    std: AnyNumber | None
    min: AnyNumber | None
    max: AnyNumber | None
    nan: Required[Count]
    inf: Required[Count]


class LoggedPrCurve(TypedDict):
    """Values of a binary classifier at evenly spaced thresholds from 0 to 1."""

    true_positives: Required[list[Number]]
    false_positives: Required[list[Number]]
    true_negatives: Required[list[Number]]
    false_negatives: Required[list[Number]]
    precision: Required[list[Number]]
    recall: Required[list[Number]]


PR_CURVE_ROWS = schema.names(LoggedPrCurve)
"""Names of the six lists of a precision-recall curve, in the order of TensorBoard's tensor."""


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
    "audio": LoggedAudio,
    "video": LoggedVideo,
    "table": LoggedTable,
    "mesh": LoggedMesh,
    "text": LoggedText,
    "histogram": LoggedHistogram,
    "pr_curve": LoggedPrCurve,
    "graph": LoggedGraph,
    "layout": LoggedLayout,
}
"""Classes that declare the additional fields of a line in a media list, by kind of media."""
KINDS = tuple(CONTENTS)


class MediaLine(TypedDict):
    """Fields that every line of a media list has."""

    seq: Required[Integer]
    time_us: Required[Integer]
    step: Required[Integer]
    kind: Required[Line]
    name: Required[Line]


@dataclass(frozen=True)
class MediaEntry:
    """One logged image, audio clip, table or other entry of a media list."""

    seq: int
    time_us: int
    step: int
    kind: str
    name: str
    attempt: int
    writer: str
    content: dict[str, Any] = field(default_factory=dict)
    """Values that depend on the kind (`docs/format.md`, Media)."""
    path: Path | None = None
    """Path of the media file, or None if this kind of media is not stored in a file."""

    @property
    def media_type(self) -> str | None:
        """MIME type of the file, such as `audio/wav`.

        The value is None if there is no file or its suffix is unknown.
        """
        return None if self.path is None else media_types.type_of(self.path.name)

    @property
    def caption(self) -> str | None:
        return self.content.get("caption")

    @property
    def boxes(self) -> list[dict[str, Any]]:
        """Boxes over an image: `box` (left, top, right, bottom in pixels), `label`, `score` and `group`."""
        return self.content.get("boxes", [])

    @property
    def masks(self) -> dict[str, Path]:
        """PNG files of the masks of an image, by name. A mask has the size of the image, and its pixels are class
        numbers."""
        names: dict[str, str] = self.content.get("masks", {})
        return {} if self.path is None else {mask: self.path.with_name(name) for mask, name in names.items()}

    @property
    def classes(self) -> dict[int, str]:
        """Names of the classes in the masks, by class number."""
        names: dict[str, str] = self.content.get("classes", {})
        return {int(number): name for number, name in names.items() if number.isdecimal()}

    def read_bytes(self) -> bytes:
        """Return the content of the file.

        Raises:
            NotFound: The entry has no file, or the file was deleted.
            DamagedFile: The file is a link or a device, or exceeds the size limit for media.
        """
        if self.path is None:
            raise NotFound(f"the {self.kind} {self.name!r} is not in a file; see `content`")
        try:
            return self._record_path().read_bytes(file_bounds.MEDIUM)
        except FileNotFoundError:
            raise NotFound(f"{self.path} is missing") from None

    def table(self) -> pa.Table:
        """Return the content of a logged table as an Arrow table, which `.to_pandas()` converts to a DataFrame.

        A cell with an image is `{"bytes": PNG, "path": None}`, as in Hugging Face data sets.

        Raises:
            NotFound: The entry is not a table, or its file was deleted.
            DamagedFile: The file is not a table that runfolio wrote, or it exceeds the limits of a table.
        """
        if self.kind != "table":
            raise NotFound(f"{self.name!r} is not a table but a {self.kind}")
        from runfolio.record.content import media_table

        return media_table.read(self.read_bytes(), str(self.path))

    def _record_path(self) -> RecordPath:
        assert self.path is not None
        return file_path(self.path.parents[2], self.path.name)


def logged_charts(folder: Path) -> dict[str, Any]:
    """Return the charts of all logged layouts, by category and title. Later layouts replace the categories of earlier
    ones."""
    entries, _ = read(folder)
    charts: dict[str, Any] = {}
    for entry in entries:
        if entry.kind == "layout":
            charts.update(entry.content["charts"])
    return charts


def index_path(folder: Path, writer: str, number: int = 1) -> RecordPath:
    """Return the path of a writer's media list.

    A media list whose number is above 1 contains lines from a spool. A spool stores data on a local disk during an
    outage of the store.
    """
    return RecordPath(folder, MEDIA) / (f"{writer}.jsonl" if number == 1 else f"{writer}-{number}.jsonl")


def file_path(folder: Path, name: str) -> RecordPath:
    """Return the path of a media file. `name` is the file name in the media list."""
    return RecordPath(folder, MEDIA, MEDIA_FILES) / name


def file_names(content: Mapping[str, Any]) -> list[str]:
    """Return the names of all files of a media entry. The first name is that of the main file."""
    return [content["file"], *content.get("masks", {}).values()] if "file" in content else []


def file_name(name: str, step: int, writer: str, seq: int, ending: str) -> str:
    """Return a unique name for a file below `media/files/`.

    Each combination of writer, sequence number (seq) and ending occurs only once.
    """
    return f"{slug(name)}-{step}-{writer}-{seq}{ending}"


def encode(seq: int, time_us: int, step: int, kind: str, name: str, content: dict[str, Any]) -> bytes:
    """Encode an entry as a line of a media list.

    Raises:
        ConfigError: The line exceeds the maximum length of a line in a record.
    """
    line = {"seq": seq, "time_us": time_us, "step": step, "kind": kind, "name": name, **content}
    encoded = orjson.dumps(files.plain_json(line), option=orjson.OPT_APPEND_NEWLINE)
    if len(encoded) > file_bounds.JSON_LINE:
        most = file_bounds.JSON_LINE
        raise ConfigError(f"it takes {len(encoded):,} bytes, but the limit is {most:,}; store it as an artifact")
    return encoded


def read(folder: Path) -> tuple[list[MediaEntry], list[str]]:
    """Return all media of a run in order of arrival, and a description of each problem, one line each."""
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


def is_on_newest_branch(entry: MediaEntry, document: RunDocument) -> bool:
    """Return whether no resume has discarded an entry.

    This is the case if the newest attempt logged the entry itself or continued the run after it.
    """
    if len(document.attempts) <= 1:
        return True
    newest = document.attempts[-1]
    return entry.attempt == newest.attempt or entry.seq <= newest.kept.get(entry.writer, 0)


def count_names(folder: Path) -> dict[str, Counter[str]]:
    """Count the media of a run by kind and name. For speed, their contents are not decoded."""
    counts: dict[str, Counter[str]] = {}
    for path in RecordPath(folder, MEDIA).entries():
        if path.suffix != ".jsonl":
            continue
        with contextlib.suppress(DamagedFile, OSError), path.open(file_bounds.JSON_LINES) as file:
            for line in read_lines(file):
                value = tails.decode_object(line) or {}
                kind, name = value.get("kind"), value.get("name")
                if kind in KINDS and isinstance(name, str):
                    counts.setdefault(kind, Counter())[name] += 1
    return counts


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
    """Decode one line of a media list. Return None if the line is invalid."""
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
    path = file_path(folder, content["file"]).path if "file" in content else None
    about = {name: fields[name] for name in schema.names(MediaLine)}
    return MediaEntry(**about, attempt=attempt, writer=writer, content=content, path=path)
