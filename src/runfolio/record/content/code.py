"""Source code of the user that a run used at its start.

Files with the same content are stored once (`docs/format.md`, Code).
"""

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
    """Text file of the user with its content at the start of the run."""

    path: PathText
    """Path relative to the root, with `/` as the separator. If the file is outside the root, the path is absolute."""
    sha256: Sha256
    bytes: Count
    why: Line
    """Reason for recording the file: `script`, `module` (imported), `untracked` (by git) or `notebook` (executed
    cells)."""


@dataclass(frozen=True)
class OmittedFile:
    """File that was not recorded, with the reason."""

    path: PathText
    bytes: Count | None
    why: Line


@dataclass
class Code:
    """Content of `code/<writer>.json`."""

    root: PathText
    """Folder of the repository, or of the script if there is no repository."""
    diff: Sha256 | None = None
    """Digest of the uncommitted changes, or None if nothing was changed."""
    diff_bytes: Count = 0
    files: list[SourceFile] = field(default_factory=list)
    left_out: list[OmittedFile] = field(default_factory=list)
    damage: list[str] = field(default_factory=list, metadata=NOT_IN_FILE, compare=False)
    """Descriptions of damaged fields, which were skipped."""

    def write(self, folder: Path, writer: str) -> None:
        _make_folders(folder)
        files.write_json(RecordPath(folder, CODE) / f"{writer}.json", {"runfolio": FORMAT, **schema.encode(self)})


def save_content(folder: Path, content: bytes) -> str:
    """Store `content` in the run, and return its SHA-256 digest in hex.

    Raises:
        OSError: The store cannot be written to.
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
    """Create the code folders, but not the run folder, so that a deleted run does not reappear.

    Raises:
        FileNotFoundError: The run's folder does not exist.
    """
    for path in (RecordPath(folder, CODE), RecordPath(folder, CODE, CODE_FILES)):
        path.mkdir()


def delete_content(folder: Path, digest: str) -> None:
    """Delete stored content that the run no longer uses."""
    content_path(folder, digest).unlink(missing_ok=True)


def read(folder: Path, writers: Sequence[str]) -> Code | None:
    """Return the code of the last process that recorded code, or None if no process did.

    Raises:
        DamagedFile, NewerFormat, StoreError: The newest code file cannot be read.
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
    """Return stored content as text. The errors are those of `read_bytes`."""
    return read_bytes(folder, digest).decode(errors="replace")


def read_bytes(folder: Path, digest: str) -> bytes:
    """Return stored content by its digest.

    Raises:
        NotFound: The record does not contain the content.
        DamagedFile: The content does not match its digest, so it was changed later.
        StoreError: The content cannot be read.
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
        raise DamagedFile(f"{path} is damaged (its content does not match its name)")
    return data
