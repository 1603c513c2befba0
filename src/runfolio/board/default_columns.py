"""Columns of the table of runs if the request names none."""

from __future__ import annotations

from collections import Counter

from runfolio.board.run_ranking import MAX_RANKED
from runfolio.board.run_selection import SelectedRuns
from runfolio.query.selection.duplicates import distinct_runs
from runfolio.query.selection.grouping import differing_settings, naming_settings

_SETTINGS = 6
"""Maximum number of settings."""
_RESULTS = ("parameters", "epoch_seconds")
"""Results that are shown if they were recorded."""


def default_columns(selected: SelectedRuns) -> list[str]:
    """Return the settings that vary, those of most runs first, and the usual results."""
    results = [f"summary.{name}" for name in _RESULTS if name in selected.catalog.results]
    return [*selected.once("varying", lambda: _varying_settings(selected)), *results]


def _varying_settings(selected: SelectedRuns) -> list[str]:
    """Return the settings that vary, without those that only name a run. Of many runs, the newest are compared."""
    distinct = distinct_runs(selected.runs(limit=MAX_RANKED)).runs
    naming = naming_settings(distinct)
    settings = [name for name in differing_settings(distinct) if name not in naming]
    counts = Counter(name for run in distinct for name in run.flat_config)
    settings.sort(key=lambda name: -counts[name])
    return [f"params.{name}" for name in settings[:_SETTINGS]]
