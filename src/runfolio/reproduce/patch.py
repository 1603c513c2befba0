"""The uncommitted changes of a run, as far as `git apply` can bring them back."""

from __future__ import annotations

import re
from typing import NamedTuple

from runfolio.record import code
from runfolio.reproduce.start import Start

_SECTION = re.compile(rb"^(?=diff --git )", re.MULTILINE)
_BINARY = re.compile(rb"^Binary files .* differ$", re.MULTILINE)
_NEW = re.compile(rb"^\+\+\+ b/(?P<path>[^\t\n]+)", re.MULTILINE)
_NAMES = re.compile(rb"^diff --git a/(?P<path>.+) b/(?P=path)$", re.MULTILINE)


class Patch(NamedTuple):
    text: bytes
    added: frozenset[str]
    """The files there are behind it that it speaks of."""
    binary: tuple[str, ...]
    """Files of which it only says that they differ."""


NONE = Patch(b"", frozenset(), ())


def of(start: Start) -> Patch:
    """Raises:
    DamagedFile, NotFound: What was kept is not what it was.
    """
    captured = start.captured
    if captured is None or captured.diff is None:
        return NONE
    text, added, binary = b"", set[str](), list[str]()
    for section in _SECTION.split(code.contents(start.run.folder, captured.diff)):
        named = _NAMES.search(section)
        if _BINARY.search(section):
            binary.append(named["path"].decode(errors="replace") if named else "a file")
            continue
        text += section
        if found := _NEW.search(section):
            added.add(found["path"].decode(errors="replace"))
    return Patch(text, frozenset(added), tuple(binary))


def sections(diff: bytes) -> dict[str, bytes]:
    """What `git diff` prints, by the file it is about."""
    found = {}
    for section in _SECTION.split(diff):
        if named := _NAMES.search(section):
            found[named["path"].decode(errors="replace")] = section
    return found
