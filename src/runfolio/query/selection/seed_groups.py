"""Runs that differ in their seed or fold alone, as one: mean, spread and interval of what they came to."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runfolio.errors import NotFound
from runfolio.query.run_view import RunT, RunView
from runfolio.query.selection.data_match import describe_matches, match_data
from runfolio.query.selection.grouping import group_runs
from runfolio.query.selection.metric_names import Mode, mode_of
from runfolio.query.selection.ranking import BROKEN, default_metric, figure_of, images_of, ranking_key
from runfolio.query.selection.significance import holm, mean_interval, means_p, wilson

REPEATING = ("seed", "fold", "test_at")
"""Settings that make a run the repetition of another: other random numbers, other images to validate with; and when it
is tested, which changes nothing of its training."""
POOLED = ", pooled"
"""Behind the name of an accuracy over the images of all folds."""
_REPORTED: dict[str, Mode] = {"val/acc": "max", "val/loss": "min", "test/acc": "max", "test/loss": "min"}


@dataclass(frozen=True, kw_only=True)
class SeedGroup:
    """One metric over the runs of a group."""

    group: str
    """What its runs share and the other groups' do not, such as `model=mlp lr=0.1`."""
    metric: str
    runs: int
    """How many of them have the metric."""
    mean: float
    std: float | None
    """Standard deviation of the runs, with n - 1; None of a single one, as are `low` and `high`."""
    lowest: float
    highest: float
    low: float | None
    high: float | None
    """95 % interval of the mean (Student's t)."""
    images: int | None = None
    """Of how many images a pooled accuracy is a share: then `low` and `high` are Wilson's."""
    tied: bool
    """The runs there are cannot tell its mean from that of the first group (Welch, all groups together by Holm)."""


@dataclass(frozen=True)
class SeedGroups:
    metric: str
    """What orders the groups."""
    mode: Mode
    rows: list[SeedGroup]
    """Best group first, a row for each metric of it."""
    caption: str
    """How to read it."""

    @property
    def any_repeated(self) -> bool:
        """Whether there is a group of more than one run."""
        return any(row.runs > 1 for row in self.rows)


def group_by_seed(
    runs: Sequence[RunView],
    metric: str | None = None,
    mode: str | None = None,
    group_by: Sequence[str] | None = None,
) -> SeedGroups:
    """Groups of runs in the order of their mean `metric`; of validation and test metrics what their runs came to.

    A run counts with its summary's value, else the best of its curve. Runs that failed or crashed are left out.

    Args:
        metric: None takes the first of the usual ones that a run has, as the leaderboard does.
        mode: "min" or "max"; None guesses it from the metric's name.
        group_by: As in `grouping.group_runs`. None takes those for one that differ in seed, fold, or both.
    Raises:
        NotFound: There are no runs, or none has the metric, or there is no such column to group by.
        ConfigError: The metric's name does not say whether more or less is better.
    """
    metric = metric or default_metric(runs)
    direction = mode_of(metric, mode)
    sound = [run for run in runs if run.state not in BROKEN]
    members = group_runs(sound, repeated_settings(sound) if group_by is None else group_by)
    every = {label: _figures(group, metric, direction) for label, group in members.items()}
    figures = {label: values for label, values in every.items() if metric in values}
    if not figures:
        raise NotFound(f"no run here that came to an end has a metric {metric!r} to compare by")
    ordered = sorted(figures, key=lambda label: ranking_key(members[label], metric, direction))
    tied = _tied([figures[label] for label in ordered])
    rows = [
        row
        for label, names in zip(ordered, tied, strict=True)
        for row in (
            *_pooled(label, members[label], metric, direction),
            *(_row(label, name, values, tied=name in names) for name, values in figures[label].items()),
        )
    ]
    caption = _caption(rows, metric, direction, len(runs) - len(sound))
    return SeedGroups(metric, direction, rows, " ".join([caption, *_other_data(sound, metric)]))


def best_group(runs: Sequence[RunT], metric: str | None = None, mode: str | None = None) -> list[RunT]:
    """The runs that won: those of the group with the best mean, where runs repeat one another; else the best one.

    Args:
        metric, mode: As for `repeats`.
    Returns:
        None where no run that came to an end has the metric.
    Raises:
        ConfigError: The metric's name does not say whether more or less is better.
    """
    if not runs:
        return []
    metric = metric or default_metric(runs)
    direction = mode_of(metric, mode)
    able = [run for run in runs if run.state not in BROKEN and figure_of(run, metric, direction)]
    by_group = list(group_runs(able, repeated_settings(able)).values()) if able else []
    ordered = sorted(by_group, key=lambda members: ranking_key(members, metric, direction))
    return ordered[0] if ordered else []


def repeated_settings(runs: Sequence[RunView]) -> list[str]:
    """How to group by all but what makes a run the repetition of another: its seed, its fold."""
    settings = {name for run in runs for name in run.flat_config}
    return [f"-{name}" for name in REPEATING if name in settings]


def _other_data(runs: Sequence[RunView], metric: str) -> list[str]:
    """What must not be averaged; that each seed divides the data its own way is why there are several."""
    first, *later = sorted(runs, key=lambda run: run.created)
    matches = [match_data(first, run, metric) for run in later]
    return describe_matches([match for match in matches if match.relation != "divided"], metric)


def _figures(runs: Sequence[RunView], metric: str, mode: Mode) -> dict[str, list[float]]:
    """What the runs came to, by metric: the one that orders, and those of validation and test that any run has."""
    modes: dict[str, Mode] = {metric: mode}
    modes.update({name: direction for name, direction in _REPORTED.items() if name != metric})
    figures = {
        name: [figure.value for run in runs if (figure := figure_of(run, name, direction))]
        for name, direction in modes.items()
    }
    return {name: values for name, values in figures.items() if values}


def _pooled(group: str, members: Sequence[RunView], metric: str, mode: Mode) -> list[SeedGroup]:
    """The accuracy over the images of all folds, where each of them validated once for every seed."""
    counts = [
        (value, images_of(run, metric, value)) for run in members if (value := _value(run, metric, mode)) is not None
    ]
    seeds = _whole_folds(members)
    if not seeds or any(images is None for _, images in counts) or len(counts) < len(members):
        return []
    right, every = sum(value * (images or 0) for value, images in counts), sum(images or 0 for _, images in counts)
    # Over several seeds an image is asked for several times, which does not make it several images.
    images = round(every / seeds)
    interval = wilson(right / every, images)
    return [
        SeedGroup(
            group=group,
            metric=f"{metric}{POOLED}",
            runs=len(members),
            mean=right / every,
            std=None,
            lowest=min(value for value, _ in counts),
            highest=max(value for value, _ in counts),
            low=interval.low,
            high=interval.high,
            images=images,
            tied=False,
        )
    ]


def _whole_folds(members: Sequence[RunView]) -> int:
    """Of how many seeds there are all folds, and nothing beside them; 0 where one is missing or there are none."""
    folds: dict[Any, list[str]] = {}
    for run in members:
        folds.setdefault(run.flat_config.get("seed"), []).append(str(run.flat_config.get("fold")))
    counts = {names[0].rpartition("/")[2] for names in folds.values()}
    count = counts.pop() if len(counts) == 1 else ""
    if not count.isdecimal():
        return 0
    expected = sorted(f"{number}/{count}" for number in range(1, int(count) + 1))
    return len(folds) if all(sorted(names) == expected for names in folds.values()) else 0


def _value(run: RunView, metric: str, mode: Mode) -> float | None:
    figure = figure_of(run, metric, mode)
    return figure.value if figure else None


def _tied(figures: Sequence[dict[str, list[float]]]) -> list[set[str]]:
    """Of each group the metrics whose mean cannot be told from the first group's, of which nothing is said."""
    first, *rivals = figures
    tied: list[set[str]] = [set() for _ in figures]
    for name in {name for group in rivals for name in group}:
        having = [index for index, group in enumerate(rivals, start=1) if name in group]
        significant = holm([means_p(first.get(name, []), figures[index][name]) for index in having])
        for index, differs in zip(having, significant, strict=True):
            if not differs:
                tied[index].add(name)
    return tied


def _row(group: str, metric: str, values: list[float], *, tied: bool) -> SeedGroup:
    interval = mean_interval(values)
    return SeedGroup(
        group=group,
        metric=metric,
        runs=len(values),
        mean=statistics.fmean(values),
        std=statistics.stdev(values) if len(values) > 1 else None,
        lowest=min(values),
        highest=max(values),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        tied=tied,
    )


def _caption(rows: Sequence[SeedGroup], metric: str, mode: Mode, left_out: int) -> str:
    more = "higher" if mode == "max" else "lower"
    several = len({row.group for row in rows}) > 1
    sentences = [f"Best first by the mean of {metric} ({more} is better)."] if several else []
    sentences.append("The 95 % interval is that of the mean (Student's t); std and range are the runs' own.")
    if any(row.tied for row in rows):
        sentences.append(
            "= marks means that so few runs cannot tell from the first group's (Welch's t test, 5 % for"
            " all groups together by Holm's procedure)."
        )
    if pooled := next((row for row in rows if row.images), None):
        sentences.append(
            f"Pooled is the share of all {pooled.images:,} images, each of which validated once with each seed, with"
            " its own interval (Wilson); folds share most of their training images, so the interval of their mean is"
            " rather too narrow"
            " (Bengio and Grandvalet 2004)."
        )
    if left_out:
        sentences.append(f"Left out: {left_out} that failed or crashed.")
    return " ".join(sentences)
