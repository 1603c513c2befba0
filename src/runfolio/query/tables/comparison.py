"""Comparison of the settings, data and results of several runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runfolio.errors import ConfigError
from runfolio.query.run_view import RunView
from runfolio.query.selection.caption import Caption
from runfolio.query.selection.columns import RunsColumn, find_columns, find_metric
from runfolio.query.selection.data_match import describe_matches, fingerprints, match_data
from runfolio.query.selection.figures import best_in_curve
from runfolio.query.selection.grouping import is_repeated, naming_settings
from runfolio.query.selection.metric_names import Mode, guess_mode, is_about_the_process
from runfolio.query.selection.paired_answers import PairedResult, compare_answers
from runfolio.query.selection.ranking import rank
from runfolio.query.tables.run_labels import unique_labels
from runfolio.query.tables.runs_table import usual_results
from runfolio.record.base.flat_names import identity
from runfolio.record.points.metric_summary import AXES

_MOST_METRICS = 5


@dataclass(frozen=True)
class Difference:
    """Setting, result or data set that differs between the runs."""

    key: str
    values: dict[str, Any]
    """Values by run label, for the runs that have this setting, result or data set."""


@dataclass(frozen=True)
class MetricRow:
    """Values of one metric for the runs that have the metric."""

    metric: str
    mode: Mode | None
    """Direction of the metric, or None if unknown."""
    last: dict[str, float]
    """Last values by run label."""
    best: dict[str, float]
    """Best values by run label. The mapping is empty if the mode is unknown."""
    winner: str | None
    """Label of the run with the best value. It is None if the mode is unknown, several runs share the value, or the
    data differ (see `data_match`)."""


@dataclass(frozen=True)
class Comparison:
    """Differences between several runs, and their metrics."""

    runs: list[str]
    """Unique label of each run."""
    config: list[Difference]
    """Differing settings, sorted by key."""
    same: int
    """Number of settings with the same value in all runs."""
    summary: list[Difference]
    """Differing results, sorted by key. Only results that consist of a single value are compared."""
    metrics: list[MetricRow]
    data: list[Difference]
    """Data sets whose fingerprints differ, sorted by name."""
    answers: list[PairedResult]
    """Comparison of the runs by their answers to the same items, one per split."""
    caption: Caption
    """Warnings about differing data, a remark on differences by chance, and the number of equal settings."""


def compare(runs: Sequence[RunView]) -> Comparison:
    """Compare the settings, data, results and metrics of two or more runs.

    Raises:
        ConfigError: Fewer than two runs are given.
    """
    if len(runs) < 2:
        raise ConfigError("there is nothing to compare: name two or more runs")
    named = dict(zip(unique_labels(runs), runs, strict=True))
    config, same = _differences(named, lambda run: run.flat_config)
    summary, _ = _differences(named, _single_results)
    data, _ = _differences(named, fingerprints)
    metrics = sorted({metric for run in runs for metric in run.metrics} - AXES)
    rows = [_metric_row(named, metric) for metric in metrics]
    answers = compare_answers(runs)
    chance = [result.sentence(list(named)) for result in answers] or [_about_chance(runs, rows)]
    caption = _caption(runs, data, same, chance)
    return Comparison(list(named), config, same, summary, rows, data, answers, caption)


@dataclass(frozen=True)
class ComparedColumns:
    """Columns of a comparison table with one row per run."""

    columns: list[RunsColumn]
    """Columns of differing settings and data, and the representative value of each metric. The last value of a metric
    is added if it differs from the representative value."""
    naming: list[str]
    """Settings that have no column because they only name a run, such as an output folder."""
    hidden: int
    """Number of results and metrics without a column."""


def compared_columns(runs: Sequence[RunView], comparison: Comparison, *, everything: bool = False) -> ComparedColumns:
    """Return the columns of a comparison, the most important first.

    Args:
        runs: Compared runs.
        comparison: Comparison of these runs.
        everything: Include all metrics, and also the settings that only name a run.
    """
    naming = [] if everything else naming_settings(runs)
    differing = {row.key for row in comparison.config}.difference(naming)
    settings = dict.fromkeys(f"params.{key}" for run in runs for key in run.flat_config if key in differing)
    logged = {row.metric for row in comparison.metrics}
    results = [name for name in usual_results(runs) if name in logged.union(row.key for row in comparison.summary)]
    shown = results if everything else [name for name in results if not is_about_the_process(name)][:_MOST_METRICS]
    figures = [find_metric(name, runs) for name in shown]
    lasts = [
        last
        for figure in figures
        if figure.name in logged and (everything or figure.kind != "summary")
        if any(
            _differ((last := find_metric(f"metrics.{figure.name}", runs)).value(run), figure.value(run)) for run in runs
        )
    ]
    columns = find_columns(settings, runs)
    data = find_columns([f"data.{row.key}" for row in comparison.data], runs)
    return ComparedColumns([*columns, *figures, *lasts, *data], naming, len(results) - len(shown))


def _differ(last: Any, figure: Any) -> bool:
    return last is not None and figure is not None and identity(last) != identity(figure)


def _caption(runs: Sequence[RunView], data: Sequence[Difference], same: int, chance: Sequence[str]) -> Caption:
    """Return a caption: warnings about data that differ from the first run's data, the sentences in `chance`, and the
    number of equal settings."""
    by_data = {row.key: [match_data(runs[0], run, f"{row.key}/") for run in runs[1:]] for row in data}
    brief, full = (
        [sentence for name, matches in by_data.items() for sentence in describe_matches(matches, name, brief=brief)]
        for brief in (True, False)
    )
    equal = f"{same} other setting{'s are' if same != 1 else ' is'} the same in all runs." if same else ""
    return Caption.of([*brief[:1], chance[0], equal], [*chance[1:], *full])


def _about_chance(runs: Sequence[RunView], rows: Sequence[MetricRow]) -> str:
    """Return advice on how to find out if the runs differ by chance, or an empty string if no metric has a known
    direction."""
    if not any(len(row.best) > 1 for row in rows):
        return ""
    if any(is_repeated(run, runs) for run in runs):
        return "Some runs differ only in the seed: --group-by -seed compares their means."
    return "With one run per setting, a difference may be due to chance; add more seeds and use --group-by -seed."


def _single_results(run: RunView) -> dict[str, Any]:
    """Return the results that fit into a table cell. A confusion matrix, for example, does not fit."""
    return {name: value for name, value in run.flat_summary.items() if not isinstance(value, (list, dict))}


def _differences(
    named: Mapping[str, RunView], part: Callable[[RunView], Mapping[str, Any]]
) -> tuple[list[Difference], int]:
    parts = {label: part(run) for label, run in named.items()}
    keys = sorted({key for values in parts.values() for key in values})
    rows = [Difference(key, {label: values[key] for label, values in parts.items() if key in values}) for key in keys]
    different = [row for row in rows if not _all_same(row, len(named))]
    return different, len(rows) - len(different)


def _all_same(row: Difference, count: int) -> bool:
    return len(row.values) == count and len({identity(value) for value in row.values.values()}) == 1


def _metric_row(named: Mapping[str, RunView], metric: str) -> MetricRow:
    mode = guess_mode(metric)
    last = {label: run.metrics[metric].last for label, run in named.items() if metric in run.metrics}
    best = {label: value for label, run in named.items() if (value := best_in_curve(run, metric)) is not None}
    first, *later = named.values()
    changed = any(match_data(first, run, metric).relation == "other" for run in later)
    return MetricRow(metric, mode, last, best, None if changed else _winner(best, mode))


def _winner(best: dict[str, float], mode: Mode | None) -> str | None:
    numbers = {label: value for label, value in best.items() if math.isfinite(value)}
    if mode is None or not numbers:
        return None
    ordered = sorted(numbers, key=lambda label: rank(numbers[label], mode))
    alone = len(ordered) == 1 or numbers[ordered[0]] != numbers[ordered[1]]
    return ordered[0] if alone else None
