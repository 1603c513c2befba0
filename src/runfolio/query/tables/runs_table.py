"""Table of runs: columns, values, and notes about the columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runfolio.errors import NotFound
from runfolio.query.html_table import html_table
from runfolio.query.run_view import RunView
from runfolio.query.selection.columns import FACTS, RunsColumn, choice_note, find_columns, find_metric
from runfolio.query.selection.duplicates import distinct_runs
from runfolio.query.selection.grouping import differing_settings, naming_settings
from runfolio.query.selection.metric_names import familiarity, is_about_the_process
from runfolio.query.selection.ranking import numbers_of
from runfolio.record.base.flat_names import identity
from runfolio.record.points.metric_summary import listed_metrics

_SHOWN_METRICS, _SHOWN_SETTINGS = 3, 6


@dataclass(frozen=True)
class Table:
    """Table with one row per run."""

    columns: list[RunsColumn]
    rows: list[list[Any]]
    """Values by run and column, or None if a run has no value in the column."""
    notes: list[str]
    """Explanations of the columns, one sentence each."""

    @property
    def names(self) -> list[str]:
        """Full names of the columns."""
        return [column.full_name for column in self.columns]

    def as_html(self) -> str:
        """Return the table as HTML, with all strings escaped."""
        return html_table([column.heading for column in self.columns], self.rows, len(self.rows))


def table(
    runs: Sequence[RunView],
    columns: Sequence[str] | None = None,
    *,
    sorted_by: str | None = None,
    others: Sequence[RunView] = (),
) -> Table:
    """Return the runs as a table, in the given order.

    Args:
        runs: Runs of the table.
        columns: Names of facts, settings, results, metrics or data, such as `state`, `lr`, `val/acc` or `data.val` (see
            `columns.find_column`). Default: basic facts, differing settings, and up to three common results.
        sorted_by: Column by which the runs are sorted. If its name is ambiguous, a note says which column was used.
        others: Runs without a row in the table. Their columns can be named too.

    Raises:
        NotFound: No run has the column. The message lists the most similar names.
    """
    chosen = _find(columns, runs, others) if columns is not None else _default_columns(runs)
    named = [*(chosen if columns is not None else []), *_find([sorted_by] if sorted_by else [], runs, others)]
    rows = [[column.value(run) for column in chosen] for run in runs]
    return Table(chosen, rows, [note] if (note := choice_note(named)) else [])


def _find(names: Sequence[str], runs: Sequence[RunView], others: Sequence[RunView]) -> list[RunsColumn]:
    """Return the columns with the given names. If a name is not found in `runs`, all names are looked
    up in `others`."""
    try:
        return find_columns(names, runs)
    except NotFound:
        if not others:
            raise
        return find_columns(names, others)


def _default_columns(runs: Sequence[RunView]) -> list[RunsColumn]:
    tags = ["tags"] if any(run.tags for run in runs) else []
    naming = naming_settings(distinct_runs(runs).runs)
    settings = [name for name in differing_settings(runs) if name not in naming]
    # A setting with several values is more useful than a setting that has one value and is missing from some runs.
    settings.sort(
        key=lambda name: len({identity(run.flat_config[name]) for run in runs if name in run.flat_config}) < 2
    )
    shown = [f"params.{name}" for name in settings[:_SHOWN_SETTINGS]]
    columns = find_columns((*FACTS, *tags, *shown), runs)
    return [*columns, *(find_metric(name, runs) for name in usual_results(runs)[:_SHOWN_METRICS])]


def usual_results(runs: Sequence[RunView]) -> list[str]:
    """Return the names of results and metrics, the most important first."""
    counts: Counter[str] = Counter()
    for run in runs:
        counts.update({*numbers_of(run), *listed_metrics(run.metrics)})

    def importance(name: str) -> tuple[int, bool, int, str]:
        return familiarity(name), is_about_the_process(name), -counts[name], name

    return sorted(counts, key=importance)
