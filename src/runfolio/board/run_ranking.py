"""Ranking of the selected runs by a metric: their order, marks that compare them, notes, and a sentence about the best
run."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from runfolio.board.replies import RefusedRequest
from runfolio.board.run_selection import SelectedRuns
from runfolio.board.sentence import Lead, Words, describe_lead
from runfolio.errors import ConfigError
from runfolio.query.index.rows import run_key
from runfolio.query.selection.figures import figure_heading, figure_of
from runfolio.query.selection.metric_names import Mode, guess_mode, mode_of
from runfolio.query.selection.ranking import BROKEN, default_metric, images_of
from runfolio.query.selection.significance import wilson
from runfolio.query.tables.leaderboard import Row, leaderboard
from runfolio.query.tables.run_labels import name_labels

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun
    from runfolio.query.store import Runs

MAX_RANKED = 1_000
"""Maximum number of runs that are compared with each other."""
_DIVERGED = "*"
"""Mark of a run with a loss that ended as NaN or infinite."""
_FIRST = 50
"""Number of leading runs that are searched for a run that did not fail or crash."""


@dataclass(frozen=True)
class RankedFigure:
    """Value of a run in the metric that ranks the runs, and a comparison with the best run."""

    value: float | None = None
    step: int | None = None
    low: float | None = None
    """Lower end of the 95 % interval, or None if the value is not a proportion of images."""
    high: float | None = None
    images: int | None = None
    rank: int | None = None
    """Rank of the run, starting at 1. It is None if the run has no value or repeats another run."""
    mark: str = ""
    """Mark `=` if the run cannot be distinguished from the best run, followed by a mark if its data differ (see
    `data_match.MARKS`) and by `*` if a loss of the run ended as NaN or infinite."""
    data: str = ""
    """Relation between the data of the run and the data of the best run (see `data_match.Relation`)."""
    label: str = ""
    """Name of the run. If several runs have this name, the label also contains the settings that differ."""


@dataclass(frozen=True)
class Ranking:
    """Order of the selected runs."""

    metric: str | None
    """Metric that orders the runs, or None if no run has a value."""
    mode: Mode | None
    heading: str
    keys: list[int] | None
    """Keys of all runs, best first, or None if there are too many runs to compare. An SQL query then sorts the runs."""
    rows: dict[int, Row] = field(default_factory=dict)
    """Rows of the leaderboard, keyed by run."""
    sentence: Words = ()
    notes: tuple[str, ...] = ()
    best: RankedFigure | None = None


def rank_runs(selected: SelectedRuns, metric: str | None, mode: str | None) -> Ranking:
    """Rank the selected runs by a metric.

    Args:
        selected: Runs to rank.
        metric: Metric to rank by. Default: the result of `ranking.default_metric`.
        mode: `min` if lower values are better, or `max` if higher values are better. Default: guessed from the metric's
            name.

    Raises:
        RefusedRequest: The direction of the metric is unknown.
    """
    compute = _compare_all if selected.total <= MAX_RANKED else _find_best
    return selected.once(("ranking", metric, mode), lambda: compute(selected, metric, mode))


def _compare_all(selected: SelectedRuns, metric: str | None, mode: str | None) -> Ranking:
    runs = selected.runs()
    if not runs:
        return Ranking(None, None, "", [])
    metric = metric or default_metric(runs)
    table = leaderboard(runs, metric, _direction(metric, mode))
    ranked = {run_key(row.run_path): row for row in table.rows}
    keys = [*ranked, *(run.row.key for run in runs if run.row.key not in ranked)]
    states = Counter(run.state for run in runs)
    measured = [row for row in table.rows if row.value is not None]
    if not measured:
        return Ranking(None, None, "", keys, ranked, describe_lead(None, states))
    best = measured[0]
    others = [row for row in measured[1:] if row.state not in BROKEN and row.data.relation != "other"]
    lead = Lead(
        name=best.label,
        metric=metric,
        mode=table.mode,
        value=best.value or 0.0,
        images=best.images,
        others=len(others),
        tied=sum(row.tied for row in others),
        has_diverged=has_diverged(next(run for run in runs if run_key(best.run_path) == run.row.key)),
        second=next(((row.label, row.value) for row in others if row.value is not None), None),
    )
    return Ranking(
        metric,
        table.mode,
        table.heading,
        keys,
        ranked,
        describe_lead(lead, states),
        (*table.caption.short, *table.caption.details),
        RankedFigure(best.value, low=best.low, high=best.high),
    )


def _find_best(selected: SelectedRuns, metric: str | None, mode: str | None) -> Ranking:
    """Return a ranking of many runs, in which only the best run is determined."""
    metric = metric or default_metric(selected.runs(limit=MAX_RANKED))
    direction = _direction(metric, mode)
    if metric not in selected.catalog.metrics and metric not in selected.catalog.results:
        return Ranking(None, None, "", None, sentence=describe_lead(None, selected.states()))
    first = selected.runs(selected.order_by_figure(metric, direction), limit=_FIRST)
    heading = figure_heading(first, metric, direction)
    note = f"Runs are compared with the best run only if at most {MAX_RANKED:,} runs are selected."
    best = next((run for run in first if run.state not in BROKEN), None)
    states = selected.states()
    if best is None:
        return Ranking(metric, direction, heading, None, sentence=describe_lead(None, states), notes=(note,))
    figure = _measure(best, metric, direction)
    lead = Lead(
        name=best.name,
        metric=metric,
        mode=direction,
        value=figure.value or 0.0,
        images=figure.images,
        others=None,
        tied=0,
        has_diverged=has_diverged(best),
        second=None,
    )
    return Ranking(
        metric,
        direction,
        heading,
        None,
        sentence=[*describe_lead(lead, states), (f" {note}", False)],
        notes=(note,),
        best=figure,
    )


def figures_of(ranking: Ranking, runs: Runs) -> list[RankedFigure]:
    """Return the values of the runs on one page, with their comparisons."""
    positions = {key: position for position, key in enumerate(ranking.rows, start=1)}
    labels = name_labels(runs)
    return [_compare(ranking, run, positions.get(run.row.key), label) for run, label in zip(runs, labels, strict=True)]


def _compare(ranking: Ranking, run: RecordedRun, position: int | None, label: str) -> RankedFigure:
    row = ranking.rows.get(run.row.key)
    label = row.label if row else label
    if ranking.metric is None:
        return RankedFigure(label=label)
    figure = _measure(run, ranking.metric, ranking.mode)
    if figure.value is None:
        return replace(figure, label=label)
    end = _DIVERGED * has_diverged(run)
    if row is None:
        return replace(figure, label=label, mark=end)
    mark = f"{'=' * row.tied}{row.data.mark}{end}"
    return replace(figure, label=label, rank=position, mark=mark, data=row.data.relation)


def _measure(run: RecordedRun, metric: str, mode: Mode | None) -> RankedFigure:
    """Return the value of a run with its interval, but without a comparison."""
    figure = figure_of(run, metric, mode)
    if figure is None:
        return RankedFigure()
    images = images_of(run, metric, figure.value)
    low, high = wilson(figure.value, images) if images else (None, None)
    return RankedFigure(figure.value, figure.step, low, high, images)


def has_diverged(run: RecordedRun) -> bool:
    """Return whether the last value of a loss is NaN or infinite."""
    metrics = run.metrics.items()
    return any(not math.isfinite(summary.last) and guess_mode(name) == "min" for name, summary in metrics)


def _direction(metric: str, mode: str | None) -> Mode:
    try:
        return mode_of(metric, mode)
    except ConfigError:
        raise RefusedRequest(
            400,
            f"the name {metric!r} does not show whether higher or lower values are better",
            "choose mode=min or mode=max",
            allowed=("min", "max"),
        ) from None
