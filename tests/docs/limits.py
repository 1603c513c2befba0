"""Tables of `docs/limits.md`, for the tests that check each of their rows."""

from __future__ import annotations

import re
from pathlib import Path

LIMITS = Path(__file__).parents[2] / "docs" / "limits.md"


def rows_of(heading: str) -> list[str]:
    """Return the first cell of each row of the table below a heading."""
    section = LIMITS.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (.*?) \| .*\|$", section, re.MULTILINE)
    return cells[1:]
