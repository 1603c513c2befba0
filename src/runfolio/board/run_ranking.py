"""Order of the selected runs by a metric, with marks, notes and the sentence that says who leads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runfolio.board.replies import RefusedRequest
from runfolio.board.run_selection import order_by_figure, read_rows
from runfolio.board.sentence import Lead, Words, describe_lead
from runfolio.board.state import BoardState
from runfolio.errors import ConfigError
from runfolio.query.filter.select import Selection
from runfolio.query.index.rows import run_key
from runfolio.query.index.tables import Catalog
from runfolio.query.selection.figures import figure_heading, figure_of
from runfolio.query.selection.metric_names import Mode, mode_of
from runfolio.query.selection.ranking import BROKEN, default_metric, images_of
from runfolio.query.selection.significance import wilson
from runfolio.query.tables.leaderboard import Row, leaderboard
from runfolio.query.tables.run_labels import name_labels

if TYPE_CHECKING:
    from runfolio.query.run import RecordedRun
    from runfolio.query.store import Runs

MAX_RANKED = 1_000
"""Maximum number of runs that are compared with each other."""


@dataclass(frozen=True)
class RankedFigure:
    """Value of a run in the ranking metric, and its comparison with the best run."""

    value: float | None = None
    step: int | None = None
    low: float | None = None
    """Lower end of the 95 % interval; None if the value is not a proportion of images."""
    high: float | None = None
    images: int | None = None
    rank: int | None = None
    """Place in the order, from 1; None if the run has no value, or if it repeats another run."""
    mark: str = ""
    """`=` if the run cannot be distinguished from the best one; else the mark for differing data."""
    data: str = ""
    """Relation between the data of the run and that of the best run (see `data_match.Relation`)."""
    label: str = ""
    """Name of the run, with its differing settings if several runs have this name."""


@dataclass(frozen=True)
class Ranking:
    """Order of the selected runs."""

    metric: str | None
    """Metric that orders the runs; None if no run has one."""
    mode: Mode | None
    heading: str
    keys: list[int] | None
    """Keys of all runs, best first; None if there are too many runs to compare, which SQL then sorts."""
    rows: dict[int, Row] = field(default_factory=dict)
    """Rows of the leaderboard, keyed by run."""
    sentence: Words = ()
    notes: tuple[str, ...] = ()
    best: RankedFigure | None = None


def rank_runs(
    board: BoardState, selection: Selection, catalog: Catalog, total: int, metric: str | None, mode: str | None
) -> Ranking:
    """Return the order of the selected runs by a metric.

    Args:
        board: Board whose runs are ranked.
        selection: Conditions that select the runs.
        catalog: Names that exist.
        total: Number of selected runs.
        metric: Metric. Default: see `ranking.default_metric`.
        mode: `min` or `max`. Default: guessed from the metric's name.

    Raises:
        RefusedRequest: The direction of the metric is unknown.
    """
    compute = _compare_all if total <= MAX_RANKED else _find_best
    return board.once(
        ("ranking", selection, metric, mode), lambda: compute(board, selection, catalog, total, metric, mode)
    )


def _compare_all(
    board: BoardState, selection: Selection, catalog: Catalog, total: int, metric: str | None, mode: str | None
) -> Ranking:
    rows = read_rows(board, selection, catalog)
    if not rows:
        return Ranking(None, None, "", [])
    runs = board.folio.runs_of(rows)
    metric = metric or default_metric(runs)
    table = leaderboard(runs, metric, _direction(metric, mode))
    ranked = {run_key(row.run_path): row for row in table.rows}
    keys = [*ranked, *(row.key for row in rows if row.key not in ranked)]
    measured = [row for row in table.rows if row.value is not None]
    states = [row.state for row in rows]
    if not measured:
        return Ranking(None, None, "", keys, ranked, describe_lead(None, states))
    first = measured[0]
    others = [row for row in measured[1:] if row.state not in BROKEN and row.data.relation != "other"]
    lead = Lead(
        name=first.label,
        metric=metric,
        mode=table.mode,
        value=first.value or 0.0,
        images=first.images,
        others=len(others),
        tied=sum(row.tied for row in others),
        second=(others[0].label, others[0].value) if others and others[0].value is not None else None,
    )
    best = RankedFigure(first.value, low=first.low, high=first.high)
    notes = (*table.caption.short, *table.caption.details)
    return Ranking(metric, table.mode, table.heading, keys, ranked, describe_lead(lead, states), notes, best)


def _find_best(
    board: BoardState, selection: Selection, catalog: Catalog, total: int, metric: str | None, mode: str | None
) -> Ranking:
    """Return the ranking of so many runs that only the best one is looked up."""
    newest = board.folio.runs_of(read_rows(board, selection, catalog, limit=MAX_RANKED))
    metric = metric or default_metric(newest)
    direction = _direction(metric, mode)
    if metric not in catalog.metrics and metric not in catalog.results:
        return Ranking(None, None, "", None)
    order = order_by_figure(metric, direction, catalog)
    first = board.folio.runs_of(read_rows(board, selection, catalog, order, limit=50))
    sound = next((run for run in first if run.state not in BROKEN), None)
    figure = None if sound is None else figure_of(sound, metric, direction)
    note = f"Only the best run was looked up among {total:,} runs. Marks and ties need at most {MAX_RANKED:,} runs."
    heading = figure_heading(first, metric, direction)
    if sound is None or figure is None:
        return Ranking(metric, direction, heading, None, notes=(note,))
    images = images_of(sound, metric, figure.value)
    interval = wilson(figure.value, images) if images else None
    lead = Lead(
        name=sound.name,
        metric=metric,
        mode=direction,
        value=figure.value,
        images=images,
        others=None,
        tied=0,
        second=None,
    )
    best = RankedFigure(figure.value, low=interval.low if interval else None, high=interval.high if interval else None)
    return Ranking(metric, direction, heading, None, sentence=describe_lead(lead, []), notes=(note,), best=best)


def figures_of(ranking: Ranking, runs: Runs) -> list[RankedFigure]:
    """Return the figures of the runs of one page."""
    positions = {key: position for position, key in enumerate(ranking.rows, start=1)}
    return [
        _figure(ranking, run, label, positions.get(run.row.key))
        for run, label in zip(runs, name_labels(runs), strict=True)
    ]


def _figure(ranking: Ranking, run: RecordedRun, label: str, position: int | None) -> RankedFigure:
    row = ranking.rows.get(run.row.key)
    label = row.label if row else label
    figure = figure_of(run, ranking.metric, ranking.mode) if ranking.metric else None
    if figure is None or ranking.metric is None:
        return RankedFigure(label=label)
    images = images_of(run, ranking.metric, figure.value)
    interval = wilson(figure.value, images) if images else None
    return RankedFigure(
        value=figure.value,
        step=figure.step,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        images=images,
        rank=position,
        mark="" if row is None else "=" if row.tied else row.data.mark,
        data="" if row is None else row.data.relation,
        label=label,
    )


def _direction(metric: str, mode: str | None) -> Mode:
    try:
        return mode_of(metric, mode)
    except ConfigError:
        raise RefusedRequest(
            400,
            f"the name {metric!r} does not show whether more or less is better",
            "choose mode=min or mode=max",
            allowed=("min", "max"),
        ) from None
