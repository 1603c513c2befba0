"""Code from which a run was started, each content stored once (`docs/format.md`, Code)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runfolio.errors import DamagedFile, NotFound, StoreError
from runfolio.record.base import files
from runfolio.record.base.layout import CODE, CODE_FILES, FORMAT

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class SourceFile:
    """Text file of the user at the start of the run."""

    path: str
    """Path relative to the root, with `/`; absolute if it is outside."""
    sha256: str
    bytes: int
    why: str
    """`script`, `module` (imported), `untracked` (by git) or `notebook` (executed cells)."""


@dataclass(frozen=True)
class OmittedFile:
    """File that was not recorded, with the reason."""

    path: str
    bytes: int | None
    why: str


@dataclass
class Code:
    """`code/<writer>.json`."""

    root: str
    """The repository, else the script's folder."""
    diff: str | None = None
    """Digest of the uncommitted changes; None if there were none."""
    diff_bytes: int = 0
    files: list[SourceFile] = field(default_factory=list)
    left_out: list[OmittedFile] = field(default_factory=list)

    def write(self, folder: Path, writer: str) -> None:
        _make_folders(folder)
        files.write_json(folder / CODE / f"{writer}.json", {"runfolio": FORMAT, **asdict(self)})


def save_content(folder: Path, content: bytes) -> str:
    """Store a content in the run; return its digest.

    Raises:
        OSError: The store cannot be written.
    """
    digest = hashlib.sha256(content).hexdigest()
    path = folder / CODE / CODE_FILES / digest
    if not path.exists():
        _make_folders(folder)
        files.replace(path, lambda temporary: temporary.write_bytes(content))
    return digest


def _make_folders(folder: Path) -> None:
    """Create the folders of the code, but not the run's: a deleted run must not come back.

    Raises:
        FileNotFoundError: The run's folder does not exist.
    """
    for path in (folder / CODE, folder / CODE / CODE_FILES):
        path.mkdir(exist_ok=True)


def delete_content(folder: Path, digest: str) -> None:
    """Remove a content that was replaced."""
    (folder / CODE / CODE_FILES / digest).unlink(missing_ok=True)


def read(folder: Path, writers: Sequence[str]) -> Code | None:
    """Return the code of the last writer that recorded some; None if no writer did.

    Raises:
        DamagedFile, NewerFormat, StoreError: It cannot be read.
    """
    for writer in reversed(writers):
        path = folder / CODE / f"{writer}.json"
        try:
            return _code(files.read_json(path), path)
        except FileNotFoundError:
            continue
    return None


def read_text(folder: Path, digest: str) -> str:
    """Return a stored content as text; raises the errors of `read_bytes`."""
    return read_bytes(folder, digest).decode(errors="replace")


def read_bytes(folder: Path, digest: str) -> bytes:
    """Return a stored content.

    Raises:
        NotFound: The record does not contain it.
        DamagedFile: It does not match its digest.
        StoreError: It cannot be read.
    """
    path = folder / CODE / CODE_FILES / digest
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"{path} is gone; restore it from a copy of the run") from None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise DamagedFile(f"{path} is damaged (it is not what its name says)")
    return data


def _code(value: dict[str, Any], path: Path) -> Code:
    try:
        code = Code(
            str(value["root"]),
            value["diff"],
            int(value["diff_bytes"]),
            [SourceFile(*(entry[key] for key in ("path", "sha256", "bytes", "why"))) for entry in value["files"]],
            [OmittedFile(*(entry[key] for key in ("path", "bytes", "why"))) for entry in value["left_out"]],
        )
        digests = [entry.sha256 for entry in code.files] + ([code.diff] if code.diff is not None else [])
        if not all(_DIGEST.fullmatch(digest) for digest in digests):
            raise ValueError("a digest is none")
        if not all(
            isinstance(text, str) for entry in (*code.files, *code.left_out) for text in (entry.path, entry.why)
        ):
            raise TypeError("a path is no text")
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"{path} is damaged (unexpected content: {error})") from None
    return code
