"""Uncommitted changes of a run as a patch for `git apply`."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from runfolio.record.base.redaction import REDACTED
from runfolio.record.content import code
from runfolio.reproduce.recorded_start import RecordedStart
from runfolio.tracking.environment import git

_SECTION = re.compile(rb"^(?=diff --git )", re.MULTILINE)
_BINARY = re.compile(rb"^Binary files .* differ$", re.MULTILINE)
_DELETED = re.compile(rb"^deleted file mode ", re.MULTILINE)
_NEW = re.compile(rb"^(?:\+\+\+ b/|(?:rename|copy) to )(?P<path>[^\t\n]+)", re.MULTILINE)
_NAMES = re.compile(rb"^diff --git a/(?P<names>.+)$", re.MULTILINE)
_BLOB = re.compile(rb"^index (?P<before>[0-9a-f]{40}|[0-9a-f]{64})\.\.", re.MULTILINE)
_LONGEST_PATH = 4095
"""Maximum length of a path, in bytes."""
_HUNK = re.compile(rb"@@ -(?P<line>\d{1,9})")


class Patch(NamedTuple):
    text: bytes
    added: frozenset[str]
    """Files of the patch that exist after the patch is applied."""
    binary: tuple[str, ...]
    """Binary files with changes. The patch names these files, but does not contain their content."""


EMPTY = Patch(b"", frozenset(), ())


def read_patch(start: RecordedStart, repository: Path | None, committed: AbstractSet[str]) -> Patch:
    """Return the uncommitted changes, except changes inside submodules, which are not checked out.

    Args:
        repository: Repository that contains the commit.
        committed: Paths in the commit. A submodule is listed as one path, without its files.
    Raises:
        DamagedFile, NotFound: The captured diff is damaged or missing.
    """
    captured = start.captured
    if captured is None or captured.diff is None:
        return EMPTY
    texts, added, binary = list[bytes](), set[str](), list[str]()
    sections = [
        (_path(section), section) for section in _SECTION.split(code.read_bytes(start.run.folder, captured.diff))
    ]
    kept = committed - {path for path, section in sections if _DELETED.search(section)}
    for path, section in sections:
        if path and any(str(parent) in kept for parent in PurePosixPath(path).parents):
            continue
        if _BINARY.search(section):
            binary.append(path or "a file")
            continue
        texts.append(_with_committed_secrets(section, repository))
        if path and not _DELETED.search(section):
            added.add(path)
    return Patch(b"".join(texts), frozenset(added), tuple(binary))


def sections_by_path(diff: bytes) -> dict[str, bytes]:
    """Split a `git diff` into one section per file, and return the sections by path."""
    return {path: section for section in _SECTION.split(diff) if (path := _path(section))}


def _path(section: bytes) -> str | None:
    """Return the new path of the file in one section of a diff, or None if the section has no valid path."""
    if new := _NEW.search(section):
        path = new["path"]
    elif names := _NAMES.search(section):
        # The line contains the path twice, separated by ` b/`. Matching such a line with a regular expression can take
        # hours.
        text = names["names"]
        path = text[: len(text) // 2 - 1]
        if text != path + b" b/" + path:
            return None
    else:
        return None
    return path.decode(errors="replace") if len(path) <= _LONGEST_PATH else None


def _with_committed_secrets(section: bytes, repository: Path | None) -> bytes:
    """Restore lines from which secrets were removed, because git could not apply the section without them. The original
    lines come from the commit."""
    blob = _BLOB.search(section)
    if REDACTED.encode() not in section or blob is None or repository is None:
        return section
    committed = git.run_git(repository, ["cat-file", "blob", blob["before"].decode()], git.DIFF_BYTES)
    before, number, lines = (committed or b"").split(b"\n"), 0, section.split(b"\n")
    for index, line in enumerate(lines):
        if hunk := _HUNK.match(line):
            number = int(hunk["line"])
        elif number and line[:1] in (b" ", b"-"):
            if REDACTED.encode() in line and number <= len(before):
                lines[index] = line[:1] + before[number - 1]
            number += 1
    return b"\n".join(lines)
