"""Names of columns: their spelling in a filter, and the panels to which metrics belong."""

from __future__ import annotations

import re
from typing import Any

from runfolio.query.selection.metric_names import guess_mode, split_and_quantity
from runfolio.record.points.metric_summary import AXES

_UNQUOTED = re.compile(r"[^\W\d](?:[\w@:/-]*\w)?")
"""Part of a name that a filter accepts without quotes."""


def filter_name(name: str, group: str) -> str:
    """Return the spelling of a column's name in a filter, with quotes if they are necessary."""
    kind, _, rest = name.partition(".") if group in ("params", "summary", "tags") else ("", "", name)
    if _UNQUOTED.fullmatch(rest) is None:
        kind = kind or ("metrics" if group == "metrics" else "")
        rest = f'"{rest.replace(chr(34), chr(34) * 2)}"'
    return f"{kind}.{rest}" if kind else rest


def panel_of(metric: str) -> dict[str, Any]:
    """Return the properties that determine the panel and the line of a metric.

    Metrics with the same `quantity` share a panel. `quantity` is None for axes, such as `epoch`. The `split` determines
    the dash pattern. Panels with the same `prefix` form a group. `mode` is the metric's direction, or None if unknown.
    """
    split, quantity = split_and_quantity(metric)
    return {
        "quantity": None if metric in AXES else quantity,
        "split": split,
        "prefix": quantity.partition("/")[0] if "/" in quantity else "",
        "mode": guess_mode(metric),
    }
