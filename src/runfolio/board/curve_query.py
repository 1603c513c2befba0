"""Query for curves: the parameters of a request for curves or figures, and the runs that they select."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runfolio.board.curve_lines import View
from runfolio.board.panel_lines import LineOptions
from runfolio.board.query_args import MAX_RUNS, QueryArgs
from runfolio.board.replies import RefusedRequest
from runfolio.board.run_selection import SELECTION_ARGS, SelectedRuns
from runfolio.board.state import BoardState
from runfolio.query.filter.sql_order import NEWEST_FIRST
from runfolio.query.histories.mean_curve import SPREADS
from runfolio.query.selection.metric_names import guess_mode

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun

LINE_ARGS = ("runs", *SELECTION_ARGS, "metrics", "x", "from", "to", "px", "smooth", "log", "group", "spread", "limit")
"""Parameters of a request that select lines and determine how the lines are computed."""
_MIN_PX, _MAX_PX, _PX = 50, 8_000, 1_000
_MAX_METRICS = 50
_RUNS = 100
"""Default for the maximum number of runs that a filter selects."""


@dataclass(frozen=True, kw_only=True)
class CurveQuery:
    """Selection of runs, and options for their lines."""

    keys: Sequence[int] | None
    """Keys of the runs in order, or None if a filter in `args` selects the runs."""
    args: QueryArgs
    limit: int
    options: LineOptions

    @classmethod
    def of(cls, args: QueryArgs) -> CurveQuery:
        """Return the query that the parameters of a request describe.

        Raises:
            RefusedRequest: A parameter is missing or invalid.
        """
        metrics = tuple(dict.fromkeys(args.names("metrics", _MAX_METRICS)))
        if not metrics:
            raise RefusedRequest(400, "metrics is missing", "name one or more metrics, separated by commas")
        low, high = args.number("from", None), args.number("to", None)
        if low is not None and high is not None and low > high:
            raise RefusedRequest(400, f"from is {low:g}, which is greater than to ({high:g})", "swap the two values")
        smooth = args.number("smooth", 0.0, 0, 1) or 0.0
        if smooth == 1:
            raise RefusedRequest(400, "smooth is 1; it must be at least 0 and below 1")
        view = View(
            columns=args.integer("px", _PX, _MIN_PX, _MAX_PX),
            low=low,
            high=high,
            log=args.choice("log", ("", "x", "y", "xy"), ""),
            smooth=smooth,
        )
        return cls(
            keys=args.keys() if "runs" in args else None,
            args=args,
            limit=args.integer("limit", _RUNS, 1, MAX_RUNS),
            options=LineOptions(
                metrics=metrics,
                x=args.text("x"),
                group_by=tuple(args.names("group", 20)),
                spread=args.choice("spread", SPREADS, "minmax"),
                view=view,
            ),
        )

    def runs(self, board: BoardState) -> tuple[list[RecordedRun], list[str]]:
        """Return the selected runs, and a note if some runs are left out.

        If a filter selects too many runs, the best runs by the first metric are returned. If the direction of this
        metric is unknown, the newest runs are returned.

        Raises:
            RefusedRequest: A run does not exist.
            FilterError: The filter is invalid.
            NotFound: The experiment does not exist.
        """
        if self.keys is not None:
            return list(board.runs(list(self.keys))), []
        board.wait_for_runs()
        selected = SelectedRuns.of(board, self.args)
        metric = self.options.metrics[0]
        mode = guess_mode(metric) if metric in selected.catalog.metrics else None
        order = NEWEST_FIRST if mode is None else selected.order_by_figure(metric, mode)
        runs = list(selected.runs(order, limit=self.limit))
        notes = [f"Drawn: {len(runs):,} of {selected.total:,} runs."] if len(runs) < selected.total else []
        return runs, notes
