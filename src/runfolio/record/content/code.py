"""The code a run was started from, each content once (`docs/format.md`, Code)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runfolio.errors import DamagedFile, NotFound, StoreError
from runfolio.record.base import file_bounds, files, schema
from runfolio.record.base.layout import CODE, CODE_FILES, FORMAT
from runfolio.record.base.record_path import RecordPath, UnusableFile
from runfolio.record.base.schema import NOT_IN_FILE, Count, Line, PathText, Sha256


@dataclass(frozen=True)
class SourceFile:
    """A text file of the user's own, as it was."""

    path: PathText
    """Relative to the root, with `/`; absolute where it lies outside."""
    sha256: Sha256
    bytes: Count
    why: Line
    """`script`, `module` (it was imported), `untracked` (git does not know it) or `notebook` (the cells that ran)."""


@dataclass(frozen=True)
class OmittedFile:
    """A file that was not kept, and why."""

    path: PathText
    bytes: Count | None
    why: Line


@dataclass
class Code:
    """`code/<writer>.json`."""

    root: PathText
    """The repository, else the script's folder."""
    diff: Sha256 | None = None
    """Digest of the uncommitted changes; None where there were none."""
    diff_bytes: Count = 0
    files: list[SourceFile] = field(default_factory=list)
    left_out: list[OmittedFile] = field(default_factory=list)
    damage: list[str] = field(default_factory=list, metadata=NOT_IN_FILE, compare=False)
    """What of the file is not what its field says, and was left out."""

    def write(self, folder: Path, writer: str) -> None:
        _make_folders(folder)
        files.write_json(RecordPath(folder, CODE) / f"{writer}.json", {"runfolio": FORMAT, **schema.encode(self)})


def save_content(folder: Path, content: bytes) -> str:
    """Store a content in the run; its digest.

    Raises:
        OSError: The store does not take it.
    """
    digest = hashlib.sha256(content).hexdigest()
    path = content_path(folder, digest)
    if not path.exists():
        _make_folders(folder)
        path.write_bytes(content)
    return digest


def content_path(folder: Path, digest: str) -> RecordPath:
    return RecordPath(folder, CODE, CODE_FILES) / digest


def _make_folders(folder: Path) -> None:
    """Those of the code, not the run's own: one that was deleted must not come back.

    Raises:
        FileNotFoundError: The run's folder is gone.
    """
    for path in (RecordPath(folder, CODE), RecordPath(folder, CODE, CODE_FILES)):
        path.mkdir()


def delete_content(folder: Path, digest: str) -> None:
    """Remove a content that another has replaced."""
    content_path(folder, digest).unlink(missing_ok=True)


def read(folder: Path, writers: Sequence[str]) -> Code | None:
    """The code of the last of the writers that left some; None where none did.

    Raises:
        DamagedFile, NewerFormat, StoreError: It cannot be read.
    """
    for writer in reversed(writers):
        path = RecordPath(folder, CODE) / f"{writer}.json"
        try:
            code, code.damage = schema.decode(Code, files.read_json(path))
            return code
        except FileNotFoundError:
            continue
        except ValueError as error:
            raise DamagedFile(f"{path} is damaged ({error})") from None
    return None


def read_text(folder: Path, digest: str) -> str:
    """A content that was kept, as text; raises what `read_bytes` does."""
    return read_bytes(folder, digest).decode(errors="replace")


def read_bytes(folder: Path, digest: str) -> bytes:
    """A content that was kept.

    Raises:
        NotFound: The record names it and does not hold it.
        DamagedFile: It is not what its digest says.
        StoreError: It cannot be read.
    """
    path = content_path(folder, digest)
    try:
        data = path.read_bytes(file_bounds.CODE)
    except FileNotFoundError:
        raise NotFound(f"{path} is gone; restore it from a copy of the run") from None
    except UnusableFile:
        raise
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise DamagedFile(f"{path} is damaged (it is not what its name says)")
    return data
