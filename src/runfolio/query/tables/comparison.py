"""What differs between runs, and how each did."""

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
from runfolio.query.selection.grouping import naming_settings
from runfolio.query.selection.metric_names import Mode, guess_mode, is_about_the_process
from runfolio.query.selection.ranking import rank
from runfolio.query.tables.run_labels import unique_labels
from runfolio.query.tables.runs_table import usual_results
from runfolio.record.base.flat_names import identity
from runfolio.record.points.metric_summary import AXES

_MOST_METRICS = 5


@dataclass(frozen=True)
class Difference:
    """A config key in which the runs differ."""

    key: str
    values: dict[str, Any]
    """By the run's label; a run whose config lacks the key is not in here."""


@dataclass(frozen=True)
class MetricRow:
    """One metric of the runs; a run without it is in neither mapping."""

    metric: str
    mode: Mode | None
    """Which way is better, by the metric's name; None where it does not say."""
    last: dict[str, float]
    best: dict[str, float]
    """Empty where the mode is unknown."""
    winner: str | None
    """The label of the run with the best value; None where the mode is unknown, several share it, or it was not
    measured on the same data (see `data_match`)."""


@dataclass(frozen=True)
class Comparison:
    runs: list[str]
    """A label for each run, no two the same."""
    config: list[Difference]
    """The keys in which they differ, sorted."""
    same: int
    """How many config keys they share with one value."""
    summary: list[Difference]
    """The results they report in which they differ, sorted; single values only."""
    metrics: list[MetricRow]
    data: list[Difference]
    """The data of which the fingerprints differ, by name."""
    caption: Caption
    """What keeps figures from being compared, if the data differ, and how many settings are the same."""


def compare(runs: Sequence[RunView]) -> Comparison:
    """What differs in config and in results between two or more runs, and their metrics side by side.

    Raises:
        ConfigError: There are fewer than two runs.
    """
    if len(runs) < 2:
        raise ConfigError("there is nothing to compare: name two runs or more")
    named = dict(zip(unique_labels(runs), runs, strict=True))
    config, same = _differences(named, lambda run: run.flat_config)
    summary, _ = _differences(named, _single_results)
    data, _ = _differences(named, fingerprints)
    metrics = sorted({metric for run in runs for metric in run.metrics} - AXES)
    rows = [_metric_row(named, metric) for metric in metrics]
    return Comparison(list(named), config, same, summary, rows, data, _caption(runs, data, same))


@dataclass(frozen=True)
class ComparedColumns:
    """The columns of a comparison whose rows are the runs."""

    columns: list[RunsColumn]
    """The settings and data in which they differ; figures of metrics; last values that are not those figures."""
    naming: list[str]
    """Settings that differ but only name a run, such as an output folder; they have no column."""
    hidden: int
    """Number of other results and metrics, which have no column."""


def compared_columns(runs: Sequence[RunView], comparison: Comparison, *, everything: bool = False) -> ComparedColumns:
    """Return what stands beside each run, most telling first.

    Args:
        everything: Also settings that only name a run, all metrics, and norms, rates, times and sizes.
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


def _caption(runs: Sequence[RunView], data: Sequence[Difference], same: int) -> Caption:
    """Return the differences between the first run's data and the others', and the number of equal settings."""
    by_data = {row.key: [match_data(runs[0], run, f"{row.key}/") for run in runs[1:]] for row in data}
    brief, full = (
        [sentence for name, matches in by_data.items() for sentence in describe_matches(matches, name, brief=brief)]
        for brief in (True, False)
    )
    equal = f"{same} other setting{'s are' if same != 1 else ' is'} the same in all runs."
    return Caption.of([*brief[:1], equal], full)


def _single_results(run: RunView) -> dict[str, Any]:
    """The results that fit a table's cell; a confusion matrix does not."""
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
