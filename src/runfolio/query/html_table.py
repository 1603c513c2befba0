"""HTML tables for notebooks. All strings are escaped, since a record can come from an untrusted source."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from runfolio.record.base.visible_text import visible_line

HTML_ROWS = 50
"""Maximum number of rows that a notebook shows."""


def html_table(names: Sequence[str], rows: Sequence[Sequence[Any]], total: int) -> str:
    """Return the first rows as an HTML table, followed by the number of remaining rows.

    Args:
        names: Column headings.
        rows: Values by row and column. None produces an empty cell.
        total: Total number of rows.
    """
    shown = rows[:HTML_ROWS]
    head = "".join(f"<th>{escaped(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{escaped(value)}</td>' for value in row)}</tr>" for row in shown)
    more = f"<p>{total - len(shown):,} more</p>" if total > len(shown) else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def html_fields(fields: Iterable[tuple[str, Any]]) -> str:
    """Return names and values as an HTML table with two columns. Empty values are left out."""
    rows = "".join(
        f"<tr><th>{escaped(name)}</th><td>{escaped(value)}</td></tr>"
        for name, value in fields
        if value not in (None, "")
    )
    return f"<table><tbody>{rows}</tbody></table>"


def escaped(value: Any) -> str:
    """Return a value as escaped text for HTML."""
    return html.escape(visible_line(_shown(value)))


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
