"""Overlay of several metrics in one panel."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from runfolio.errors import ConfigError
from runfolio.query.plots.curve_panels import Panel


def overlay(panels: Sequence[Panel]) -> Panel:
    """Merge several panels into one panel that has one line per run and metric.

    Raises:
        ConfigError: The panels have different x axes.
    """
    axes = dict.fromkeys(panel.x_label for panel in panels)
    if len(axes) > 1:
        raise ConfigError(f"the metrics have the x axes {' and '.join(axes)}; choose one with --x")
    names = {line.label for panel in panels for line in panel.lines}
    labelled = [
        replace(
            line,
            label=panel.metric if len(names) == 1 else f"{line.label}  {panel.metric}",
            same_as=None if line.same_as is None else f"{line.same_as}  {panel.metric}",
            best=None,
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
    )


def kind_of(metric: str) -> str:
    """Return the last word of a metric's name, such as `loss`. Metrics of the same kind have the same y range."""
    return (re.findall(r"[^\W_]+", metric.lower()) or [metric])[-1]
