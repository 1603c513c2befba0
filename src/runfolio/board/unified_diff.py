"""Parser of unified diffs, which returns files, hunks and lines. Changed words in the lines are marked.

A hunk is a part of a file with changed lines and the lines around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from runfolio.record.base.visible_text import visible_line, visible_text

MAX_LINES = 20_000
"""Maximum number of lines of a diff that are returned."""
_LONGEST = 2_000
"""Maximum number of characters of a line in a reply."""
_LEAST_SIMILAR = 0.3
"""Minimum fraction of equal characters in two lines. If fewer characters are equal, no words are marked."""
_FILE = re.compile(r"^diff --git (?:\"?a/(?P<old>.*?)\"?) (?:\"?b/(?P<new>.*?)\"?)$")
_HUNK = re.compile(r"^@@ -(?P<old>\d+)(?:,\d+)? \+(?P<new>\d+)(?:,\d+)? @@(?P<title>.*)$")
_WORD = re.compile(r"\w+|\s+|.")
_KINDS = {"new file mode": "added", "deleted file mode": "deleted", "rename from": "renamed", "Binary files": "binary"}

Line = tuple[str, list[list[Any]]]
"""Sign of a line (` `, `-` or `+`), and the pieces of the line. Each piece contains a text, and 1 if the text was
changed or else 0."""


def parse_diff(text: str) -> dict[str, Any]:
    """Parse the output of `git diff`. Return the path, the kind of change, the counts of lines, and the hunks of each
    file."""
    lines = text.removesuffix("\n").split("\n")
    files: list[dict[str, Any]] = []
    for line in islice(lines, MAX_LINES):
        if match := _FILE.match(line):
            files.append({"path": visible_line(match["new"]), "kind": "changed", "added": 0, "removed": 0, "hunks": []})
        elif not files:
            continue
        elif match := _HUNK.match(line):
            hunk = {"old": int(match["old"]), "new": int(match["new"]), "title": match["title"].strip(), "lines": []}
            files[-1]["hunks"].append(hunk)
        elif files[-1]["hunks"]:
            _add_line(files[-1], line)
        else:
            files[-1]["kind"] = next(
                (kind for start, kind in _KINDS.items() if line.startswith(start)), files[-1]["kind"]
            )
    for file in files:
        for hunk in file["hunks"]:
            hunk["lines"] = list(_marked(hunk["lines"]))
    return {"files": files, "left_out": max(0, len(lines) - MAX_LINES)}


def _add_line(file: dict[str, Any], line: str) -> None:
    sign = line[:1] or " "
    if sign not in " +-\\":
        return
    file["added"] += sign == "+"
    file["removed"] += sign == "-"
    text = visible_text(line[1:])
    file["hunks"][-1]["lines"].append((sign, text if len(text) <= _LONGEST else f"{text[:_LONGEST]} [...]"))


def _marked(lines: Sequence[tuple[str, str]]) -> Iterator[Line]:
    """Yield the lines of a hunk. If added lines follow removed lines, corresponding lines are compared."""
    index = 0
    while index < len(lines):
        removed = _block(lines, index, "-")
        added = _block(lines, index + len(removed), "+")
        if not removed and not added:
            yield lines[index][0], [[lines[index][1], 0]]
            index += 1
            continue
        compared = [_compare(old, new) for old, new in zip(removed, added, strict=False)]
        rest = len(compared)
        yield from (("-", old) for old, _ in compared)
        yield from (("-", [[text, 0]]) for text in removed[rest:])
        yield from (("+", new) for _, new in compared)
        yield from (("+", [[text, 0]]) for text in added[rest:])
        index += len(removed) + len(added)


def _block(lines: Sequence[tuple[str, str]], start: int, sign: str) -> list[str]:
    texts = []
    for line_sign, text in islice(lines, start, None):
        if line_sign != sign:
            break
        texts.append(text)
    return texts


def _compare(old: str, new: str) -> tuple[list[list[Any]], list[list[Any]]]:
    """Return the pieces of two lines. The words between their common start and their common end are marked.

    A complete comparison of words would take minutes for some lines, and an untrusted run may contain such lines.
    """
    before, after = _WORD.findall(old), _WORD.findall(new)
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    same = sum(map(len, before[:start])) + sum(map(len, before[len(before) - end :]))
    if same < _LEAST_SIMILAR * max(len(old), len(new)):
        return [[old, 0]], [[new, 0]]
    return _pieces(before, start, end), _pieces(after, start, end)


def _common(before: Sequence[str], after: Sequence[str]) -> int:
    """Return the number of equal words at the start of both lists."""
    pairs = zip(before, after, strict=False)
    return next((index for index, (old, new) in enumerate(pairs) if old != new), min(len(before), len(after)))


def _pieces(words: Sequence[str], start: int, end: int) -> list[list[Any]]:
    stop = len(words) - end
    parts = ((words[:start], 0), (words[start:stop], 1), (words[stop:], 0))
    return [["".join(part), changed] for part, changed in parts if part]
