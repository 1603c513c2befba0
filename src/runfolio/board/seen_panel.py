"""Conversion of a panel, which is a chart on the page, to a panel of `query.plots` that looks the same.

Both panels show the same lines, limits, colours and order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runfolio.board.panel_lines import LineOptions, PanelCurves, PanelLine
from runfolio.query.plots.curve_panels import Line, Panel, in_one_unit, in_range, mean_best
from runfolio.query.plots.overlay import dashes_of
from runfolio.query.selection.metric_names import guess_mode

_MARGIN = 0.05
"""Space above and below the points, as a fraction of their range."""


def seen_panel(
    curves: PanelCurves, lines: Sequence[PanelLine], notes: Sequence[str], options: LineOptions, colours: Sequence[int]
) -> Panel:
    """Return the panel to draw.

    Args:
        curves: Curves that were read.
        lines: Lines of the panel.
        notes: Sentences below the figure.
        options: Options of the lines.
        colours: Colour index of each run or group, in the order of the lines. -1 means a grey line in the background.
            Default: the position of the run or group in this order.
    """
    metrics = list(dict.fromkeys(line.metric for line in lines))
    owners = {owner: index for index, owner in enumerate(dict.fromkeys(_owner(line) for line in lines))}
    dashes = dashes_of(metrics) or {}
    drawn: list[Line] = []
    for position, line in enumerate(lines):
        owner = owners[_owner(line)]
        colour = colours[owner] if owner < len(colours) else owner if len(owners) > 1 else position
        drawn.append(
            Line(
                label=_label(line, metrics, len(owners)),
                position=position,
                colour=colour,
                dash=dashes.get(line.metric),
                is_pale=line.is_abandoned or colour < 0,
                x=line.line.x,
                y=line.line.y,
                raw=line.line.raw if line.line.is_raw_drawn else None,
                low=line.line.low,
                high=line.line.high,
                broken=line.line.broken,
                best=_best(line, curves) if len(metrics) == 1 else None,
            )
        )
    mode = guess_mode(metrics[0]) if len(metrics) == 1 else None
    heading = {"max": "highest ", "min": "lowest ", None: None}[mode]
    panel = Panel(
        metric=", ".join(metrics or options.metrics),
        x_label=curves.x,
        lines=drawn,
        heading=heading and f"{'mean of ' if options.group_by else ''}{heading}{metrics[0]}",
        notes=list(notes),
        shades=[],
    )
    return in_one_unit([_in_visible_range(panel, options)])[0]


def y_limits(panel: Panel, low: float | None, high: float | None) -> tuple[float, float] | None:
    """Return both limits of the y axis, or None if neither is given. A missing limit is computed from the points."""
    if low is None and high is None:
        return None
    values = np.concatenate([np.empty(0), *(line.y[np.isfinite(line.y)] for line in panel.lines)])
    lowest, highest = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    margin = _MARGIN * (highest - lowest) or 1.0
    if low is None and high is not None:
        return min(lowest, high) - margin, high
    low = low or 0.0
    return low, high if high is not None else max(highest, low) + margin


def _in_visible_range(panel: Panel, options: LineOptions) -> Panel:
    """Return the panel, cut to the requested range of x. A missing end is replaced with the end of the points."""
    view = options.view
    if view.low is None and view.high is None:
        return panel
    ends = [(float(line.x[0]), float(line.x[-1])) for line in panel.lines if len(line.x)]
    low = view.low if view.low is not None else min((first for first, _ in ends), default=0.0)
    high = view.high if view.high is not None else max((last for _, last in ends), default=1.0)
    return in_range(panel, (low, high)) if low < high else panel


def _owner(line: PanelLine) -> tuple[int, ...] | str:
    """Return the run or the group that determines the colour of a line."""
    return line.label if line.is_group else (line.keys[0],)


def _label(line: PanelLine, metrics: Sequence[str], owners: int) -> str:
    label = f"{line.label}  n={len(line.keys)}" if line.is_group else line.label
    if len(metrics) == 1:
        return label
    return line.metric if owners == 1 else f"{label}  {line.metric}"


def _best(line: PanelLine, curves: PanelCurves) -> float | None:
    keys = set(line.keys)
    return mean_best([run for run in curves.runs if run.row.key in keys], line.metric)
