"""`logdir.json`: state of an imported run, from which the next import continues (`docs/format.md`, Imported runs)."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from runfolio.errors import RunfolioError
from runfolio.record.base import files, schema
from runfolio.record.base.layout import FORMAT
from runfolio.record.base.record_path import RecordPath
from runfolio.record.base.schema import AttemptNumber, Count, Integer, Most, PathText, Prose, Seconds, Writer

CURSOR_FILE = "logdir.json"
_MANY = 1_000_000
Hex = Annotated[str, schema.text(None, r"(?:[0-9a-f]{2})*", "pairs of hexadecimal digits")]


@dataclass
class ReadFile:
    """Event file, and the part of it that has been imported."""

    folder: Prose
    """Folder of the file, relative to the log directory."""
    file: Prose
    offset: Count = 0
    """Number of bytes that have been imported."""
    order: Count = 0
    """Number of records in these bytes."""
    writer: Writer | None = None
    """Writer id of the points that follow these bytes."""


@dataclass
class FilePart:
    """Records of one event file up to its end or to the next restart of the program that wrote it. In the imported run,
    their points have a separate writer id, as if a separate process had logged them."""

    writer: Writer
    attempt: AttemptNumber
    folder: Prose
    last_seq: Count = 0
    media_bytes: Count = 0
    """Size of the media list in bytes. Lines after this size come from a killed import and are removed."""
    began: Seconds | None = None
    ended: Seconds | None = None
    """Times of the first and the last value, in seconds since 1970."""
    purge_step: Integer | None = None
    """Step from which earlier points of the folder are void, because this part begins with a restart."""
    void_step: Integer | None = None
    """Step from which the points of this part are void, because a later part begins with a restart."""
    kept_seq: Count | None = None
    """Sequence number of the last log call that later attempts keep, if points are void."""
    void_points: Count = 0


@dataclass
class TagState:
    """Tag in the event files of one folder."""

    folder: Prose
    name: Prose
    """Name of the metric or medium, without the prefix of its folder."""
    raw: Hex | None = None
    """Bytes of the tag in hex, if they differ from the name."""
    plugin: Prose = ""
    """Name of the TensorBoard plugin of the tag."""
    last_step: Integer | None = None
    equal_steps: Count = 0
    falling_steps: Count = 0

    @property
    def tag(self) -> bytes:
        return self.name.encode() if self.raw is None else bytes.fromhex(self.raw)


@dataclass
class ImportCursor:
    """Content of `logdir.json`."""

    logdir: PathText
    run: Prose
    """Name of the run in TensorBoard: its folder, relative to the log directory."""
    folded_trials: list[Prose] = field(default_factory=list)
    files: Annotated[list[ReadFile], Most(_MANY)] = field(default_factory=list)
    parts: Annotated[list[FilePart], Most(_MANY)] = field(default_factory=list)
    tags: Annotated[list[TagState], Most(_MANY)] = field(default_factory=list)
    result_tags: Annotated[list[Prose], Most(_MANY)] = field(default_factory=list)
    """Tags that torch's `add_hparams` declared as results."""
    artifacts: Annotated[list[Prose], Most(_MANY)] = field(default_factory=list)
    """Files outside of event files that have been stored as artifacts, with their size and modification time."""
    problems: Annotated[list[Prose], Most(_MANY)] = field(default_factory=list)
    """Damaged parts of the files, and values that were left out."""

    @classmethod
    def read(cls, folder: Path) -> ImportCursor | None:
        """Return the state of an imported run. Return None if the run was not imported or its state is damaged."""
        try:
            return schema.decode_whole(cls, files.read_json(_path(folder)))
        except (OSError, ValueError, RunfolioError):
            return None

    def write(self, folder: Path) -> None:
        files.write_json(_path(folder), {"runfolio": FORMAT, **dataclasses.asdict(self)}, sync=True)


def _path(folder: Path) -> RecordPath:
    return RecordPath(folder, CURSOR_FILE)


def short_id(*texts: str) -> str:
    """Return an id of eight characters that depends only on the texts."""
    digest = int.from_bytes(hashlib.sha256("\0".join(texts).encode(errors="backslashreplace")).digest())
    letters = "0123456789abcdefghijklmnopqrstuvwxyz"
    return "".join(letters[digest // 36**place % 36] for place in range(8))
