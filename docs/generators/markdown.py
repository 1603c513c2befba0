"""Pieces of Markdown that the generated pages are made of."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 100


def prose(text: str, *, indent: str = "", first: str | None = None) -> str:
    """Return a paragraph wrapped at 100 columns; `first` begins its first line, `indent` the others."""
    words = " ".join(text.split())
    start = indent if first is None else first
    return textwrap.fill(
        words, WIDTH, initial_indent=start, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def bullet(text: str) -> str:
    return prose(text, first="- ", indent="  ")


def code_block(lines: str, language: str = "") -> str:
    return f"```{language}\n{lines.rstrip()}\n```"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def page(title: str, blocks: Iterable[str]) -> str:
    """Return a page: its title, the note that it is generated, and blocks with a blank line between them."""
    note = "<!-- Written by `make docs`; not to be edited. -->"
    return "\n\n".join([f"# {title}", note, *blocks]) + "\n"


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
