"""Overlay of several metrics in one panel."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from runfolio.errors import ConfigError
from runfolio.query.plots.curve_panels import Panel
from runfolio.query.selection.metric_names import Split, split_and_quantity

_DASHES: dict[Split, int] = {"train": 1, "test": 2}
"""Index of the dash pattern of each split. Validation has solid lines."""


def overlay(panels: Sequence[Panel]) -> Panel:
    """Merge several panels into one panel that has one line per run and metric.

    If the metrics are one quantity on different data splits, lines of the same run have the same colour. Lines of the
    training split are dashed, and lines of the test split are dotted.

    Raises:
        ConfigError: The panels have different x axes.
    """
    axes = dict.fromkeys(panel.x_label for panel in panels)
    if len(axes) > 1:
        raise ConfigError(f"the metrics have the x axes {' and '.join(axes)}; choose one with --x")
    names = {line.label for panel in panels for line in panel.lines}
    dashes = dashes_of([panel.metric for panel in panels])
    labelled = [
        replace(
            line,
            label=panel.metric if len(names) == 1 else f"{line.label}  {panel.metric}",
            same_as=None if line.same_as is None else f"{line.same_as}  {panel.metric}",
            best=None,
            colour=None if dashes is None else line.position,
            dash=None if dashes is None else dashes[panel.metric],
        )
        for panel in panels
        for line in panel.lines
    ]
    return Panel(
        metric=", ".join(panel.metric for panel in panels),
        x_label=panels[0].x_label,
        lines=[replace(line, position=position) for position, line in enumerate(labelled)],
        heading=None,
        notes=list(dict.fromkeys(note for panel in panels for note in panel.notes)),
        shades=list(dict.fromkeys(shade for panel in panels for shade in panel.shades)),
        x_range=panels[0].x_range,
    )


def dashes_of(metrics: Sequence[str]) -> dict[str, int | None] | None:
    """Return the dash pattern of each metric. Return None unless the metrics are one quantity on different data splits.

    The pattern of a metric is None if the line's colour index determines its dash pattern.
    """
    named = {metric: split_and_quantity(metric) for metric in metrics}
    splits, quantities = zip(*named.values(), strict=True) if named else ((), ())
    if len(named) <= 1 or len(set(quantities)) > 1 or len(set(splits)) < len(splits):
        return None
    return {metric: None if split is None else _DASHES.get(split) for metric, (split, _) in named.items()}


def kind_of(metric: str) -> str:
    """Return the last word of a metric's name, such as `loss`. Metrics of the same kind have the same y range."""
    return (re.findall(r"[^\W_]+", metric.lower()) or [metric])[-1]
