"""Command `runfolio plot` that draws the same lines as a panel of the page. A panel is a chart."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runfolio.board.curve_query import CurveQuery

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun


def plot_command(
    store: Path,
    query: CurveQuery,
    runs: Sequence[RecordedRun],
    x: str,
    y_range: tuple[float, float] | None,
) -> str:
    """Return the command that draws the lines of a panel.

    Args:
        store: Folder of the store.
        query: Query that selected the lines.
        runs: Runs that are drawn.
        x: X axis of the lines.
        y_range: Limits of the y axis, or None for limits that fit the lines.
    """
    options, view = query.options, query.options.view
    words = ["runfolio", "plot", *options.metrics, *(run.id for run in runs)]
    words += ["--overlay"] if len(options.metrics) > 1 else []
    words += ["--x", x]
    words += ["--smooth", f"{view.smooth:g}"] if view.smooth else []
    words += ["--log", view.log] if view.log else []
    words += ["--group-by", ",".join(options.group_by), "--spread", options.spread] if options.group_by else []
    if view.low is not None and view.high is not None:
        words += ["--xlim", _number(view.low), _number(view.high)]
    words += ["--ylim", *map(_number, y_range)] if y_range else []
    return shlex.join([*words, "--store", str(store), "--out", "curves.svg"])


def _number(value: float) -> str:
    """Return a number as text, without loss of precision."""
    return repr(int(value) if value.is_integer() and abs(value) < 1e15 else value)
