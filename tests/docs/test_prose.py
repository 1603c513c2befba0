"""The form of the documents: lines of at most 100 columns, and short paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from .commands import PAGES, ROOT

COLUMNS = 100
LINES = 5
GENERATED = "<!-- Written by `make docs`; not to be edited. -->"
"""Line of pages whose paragraphs are docstrings and help."""
LINK = re.compile(r"\S*\]\(\S+\)\S*|https?://\S+")


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is neither code, table, heading, comment, picture nor footnote."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        fence = line.lstrip().startswith("```")
        inside ^= fence
        if not inside and not fence and not line.startswith(("|", "#", "<!--", "![", "[^")):
            yield number, line


def paragraphs(text: str) -> Iterator[list[tuple[int, str]]]:
    """Yield the lines of each paragraph; an entry of a list is one, and other lines end one as empty lines do."""
    kept = dict(prose(text))
    start = 0
    numbered = []
    for number in range(1, text.count("\n") + 2):
        line = kept.get(number, "")
        if not line.strip() or re.match(r"\s*([-*]|\d+\.)\s", line):
            start = number
        numbered.append((start, number, line))
    for _, entries in groupby(numbered, key=lambda entry: entry[0]):
        if lines := [(number, line) for _, number, line in entries if line.strip()]:
            yield lines


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_prose_is_wrapped_in_short_paragraphs(page: Path):
    text = page.read_text(encoding="utf-8")
    wide = [number for number, line in prose(text) if len(line) > COLUMNS and not LINK.search(line)]
    long = [] if GENERATED in text else [lines[0][0] for lines in paragraphs(text) if len(lines) > LINES]
    assert (wide, long) == ([], []), f"{page.name}: lines that are too wide, and first lines of long paragraphs"


def test_a_wide_line_and_a_long_paragraph_would_be_found():
    assert [number for number, _ in prose("one\n```\ncode\n```\n| table |\ntwo\n")] == [1, 6]
    assert [len(lines) for lines in paragraphs("a\nb\nc\n\n- d\n  e\n- f\n")] == [3, 2, 1]
