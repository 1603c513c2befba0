"""Names of columns: how a filter spells them, and which metrics share a panel."""

from __future__ import annotations

import re
from typing import Any

from runfolio.query.selection.metric_names import guess_mode, split_and_quantity
from runfolio.record.points.metric_summary import AXES

_UNQUOTED = re.compile(r"[^\W\d](?:[\w@:/-]*\w)?")
"""Part of a name that a filter accepts without quotes."""


def filter_name(name: str, group: str) -> str:
    """Return a column's name as a filter spells it, with quotes if it needs them."""
    kind, _, rest = name.partition(".") if group in ("params", "summary", "tags") else ("", "", name)
    if _UNQUOTED.fullmatch(rest) is None:
        kind = kind or ("metrics" if group == "metrics" else "")
        rest = f'"{rest.replace(chr(34), chr(34) * 2)}"'
    return f"{kind}.{rest}" if kind else rest


def panel_of(metric: str) -> dict[str, Any]:
    """Return how a metric is drawn.

    Metrics with the same `quantity` share a panel; it is None for axes, such as `epoch`. The `split` decides the dash
    of a line. Panels with the same `prefix` are in one group. `mode` is the direction of the metric, if it is known.
    """
    split, quantity = split_and_quantity(metric)
    return {
        "quantity": None if metric in AXES else quantity,
        "split": split,
        "prefix": quantity.partition("/")[0] if "/" in quantity else "",
        "mode": guess_mode(metric),
    }
