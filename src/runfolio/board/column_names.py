"""Functions for column names: the spelling of a name in a filter, and the panel (chart) that shows a metric."""

from __future__ import annotations

import re
from typing import Any

from runfolio.query.selection.metric_names import guess_mode, split_and_quantity
from runfolio.record.points.metric_summary import AXES

_UNQUOTED = re.compile(r"[^\W\d](?:[\w@:/-]*\w)?")
"""Pattern of names that a filter accepts without quotes."""


def filter_name(name: str, group: str) -> str:
    """Return the spelling of a column's name in a filter, with quotes if the filter needs them."""
    kind, _, rest = name.partition(".") if group in ("params", "summary", "tags") else ("", "", name)
    if _UNQUOTED.fullmatch(rest) is None:
        kind = kind or ("metrics" if group == "metrics" else "")
        rest = f'"{rest.replace(chr(34), chr(34) * 2)}"'
    return f"{kind}.{rest}" if kind else rest


def panel_of(metric: str) -> dict[str, Any]:
    """Return the properties of a metric that determine its panel and the style of its line.

    Metrics with the same `quantity` share a panel. `quantity` is None for metrics that serve as x axes, such as
    `epoch`. The `split` determines the dash pattern. Panels with the same `prefix` form a group. `mode` is `min` if
    lower values are better, `max` if higher values are better, and None if this is unknown.
    """
    split, quantity = split_and_quantity(metric)
    return {
        "quantity": None if metric in AXES else quantity,
        "split": split,
        "prefix": quantity.partition("/")[0] if "/" in quantity else "",
        "mode": guess_mode(metric),
    }
