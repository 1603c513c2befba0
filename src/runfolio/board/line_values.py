"""CSV file with the values of the lines of a panel, which is a chart."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from runfolio.board.panel_lines import LineOptions, PanelCurves, PanelLine
from runfolio.record.base.visible_text import csv_text


def values_csv(curves: PanelCurves, lines: Sequence[PanelLine], options: LineOptions) -> bytes:
    """Return a CSV file with one row per visible point. The rows of a smoothed curve contain logged and smoothed
    values.

    A `'` is added in front of strings that a spreadsheet would execute as formulas.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    x = csv_text("seconds" if curves.x == "time" else curves.x)
    smoothed = ["smoothed"] if options.view.smooth else []
    if options.group_by:
        writer.writerow(["group", "metric", x, "mean", "low", "high", "runs"])
    else:
        writer.writerow(["run", "name", "metric", "attempt", "abandoned", x, "value", *smoothed])
    ids = {run.row.key: run.id for run in curves.runs}
    for line in lines:
        labels = [csv_text(line.label), csv_text(line.metric)]
        if not line.is_group:
            labels = [ids[line.keys[0]], *labels, str(line.attempt), str(line.is_abandoned).lower()]
        writer.writerows([*labels, *numbers] for numbers in _rows(line, options))
    return text.getvalue().encode(errors="replace")


def _rows(line: PanelLine, options: LineOptions) -> Iterator[tuple[Any, ...]]:
    """Yield the position and the values of each visible point."""
    curve, view = line.line, options.view
    inside = np.ones(len(curve.x), bool) if view.low is None else curve.x >= view.low
    inside &= True if view.high is None else curve.x <= view.high
    if line.is_group:
        columns = (curve.x, curve.y, curve.low, curve.high, curve.count)
    elif view.smooth:
        columns = (curve.x, curve.y if curve.raw is None else curve.raw, curve.y)
    else:
        columns = (curve.x, curve.y)
    numbers = (column[inside].tolist() for column in columns if column is not None)
    return zip(*(map(_cell, column) for column in numbers), strict=True)


def _cell(number: float) -> float | int:
    """Return an int if the number is an integer, such as a step. The CSV file then shows no decimal point."""
    return int(number) if number.is_integer() else number
