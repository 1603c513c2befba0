"""Runs that differ in their seed or fold alone, as one: mean, spread and interval of what they came to."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from runfolio.errors import NotFound
from runfolio.query.run_view import RunT, RunView
from runfolio.query.selection.caption import Caption
from runfolio.query.selection.data_match import describe_matches, match_data
from runfolio.query.selection.duplicates import distinct_runs
from runfolio.query.selection.figures import Figure, figure_of, kinds_text
from runfolio.query.selection.grouping import group_runs
from runfolio.query.selection.metric_names import Mode, mode_of, split_of
from runfolio.query.selection.ranking import BROKEN, default_metric, direction_text, images_of, ranking_key
from runfolio.query.selection.significance import holm, mean_interval, means_p, paired_means_p, wilson
from runfolio.record.base.flat_names import identity

REPEATING = ("seed", "fold", "test_at")
"""Settings that make a run the repetition of another: other random numbers, other images to validate with; and when it
is tested, which changes nothing of its training."""
POOLED = ", pooled"
"""Behind the name of an accuracy over the images of all folds."""
_REPORTED: dict[str, Mode] = {"val/acc": "max", "val/loss": "min", "test/acc": "max", "test/loss": "min"}

Measured = Sequence[tuple[RunView, Figure]]
"""The runs of a group that have a metric, each with its figure."""


@dataclass(frozen=True, kw_only=True)
class SeedGroup:
    """One metric over the runs of a group."""

    group: str
    """What its runs share and the other groups' do not, such as `model=mlp lr=0.1`."""
    metric: str
    figure: str
    """Kind of the number that counts of each run, such as `best` (see `figures.Kind`)."""
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
    """The runs there are cannot tell its mean from that of the first group (Welch, all groups together by Holm).
    False where one of the groups has a single run: nothing can be compared."""

    @property
    def heading(self) -> str:
        """The metric with which of its figures counts, such as `val/acc best`."""
        name, pooled, _ = self.metric.partition(POOLED)
        return f"{name} {self.figure}{pooled}"


@dataclass(frozen=True)
class SeedGroups:
    metric: str
    """What orders the groups."""
    mode: Mode
    rows: list[SeedGroup]
    """Best group first, a row for each metric of it."""
    caption: Caption
    """How to read it."""

    @property
    def any_repeated(self) -> bool:
        """Whether there is a group of more than one run."""
        return any(row.runs > 1 for row in self.rows)


def group_by_seed(
    runs: Sequence[RunView],
    metric: str | None = None,
    mode: str | None = None,
    group_by: str | Sequence[str] | None = None,
) -> SeedGroups:
    """Groups of runs in the order of their mean `metric`; of validation and test metrics what their runs came to.

    A run counts with its figure (`figures.figure_of`). Runs that failed or crashed, reproductions and second copies
    of a run are left out.

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
    distinct = distinct_runs(runs)
    sound = [run for run in distinct.runs if run.state not in BROKEN]
    grouping = group_runs(sound, repeated_settings(sound) if group_by is None else group_by)
    members = grouping.members
    every = {label: _figures(group, metric, direction) for label, group in members.items()}
    figures = {label: measured for label, measured in every.items() if metric in measured}
    if not figures:
        raise NotFound(f"no run here that came to an end has a metric {metric!r} to compare by")
    ordered = sorted(figures, key=lambda label: ranking_key(members[label], metric, direction))
    paired = _paired_metrics([figures[label] for label in ordered])
    tied = _tied([figures[label] for label in ordered], paired)
    rows = [
        row
        for label, names in zip(ordered, tied, strict=True)
        for row in (
            *_pooled(label, members[label], figures[label][metric], metric),
            *(_row(label, name, measured, tied=name in names) for name, measured in figures[label].items()),
        )
    ]
    broken = len(distinct.runs) - len(sound)
    caption = Caption.of(
        [
            _best_first(rows, metric, direction),
            *_other_data(sound, metric, brief=True),
            *_best_of_test(figures.values()),
            _why_unmarked(rows),
            *grouping.notes,
            _about_intervals(rows),
        ],
        [
            *_methods(rows, paired),
            f"Left out: {broken} that failed or crashed." if broken else "",
            distinct.sentence,
            *_other_data(sound, metric),
        ],
    )
    return SeedGroups(metric, direction, rows, caption)


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
    distinct = distinct_runs(runs).runs
    able = [run for run in distinct if run.state not in BROKEN and figure_of(run, metric, direction)]
    by_group = list(group_runs(able, repeated_settings(able)).members.values()) if able else []
    ordered = sorted(by_group, key=lambda members: ranking_key(members, metric, direction))
    return ordered[0] if ordered else []


def repeated_settings(runs: Sequence[RunView]) -> list[str]:
    """How to group by all but what makes a run the repetition of another: its seed, its fold."""
    settings = {name for run in runs for name in run.flat_config}
    return [f"-{name}" for name in REPEATING if name in settings]


def _other_data(runs: Sequence[RunView], metric: str, *, brief: bool = False) -> list[str]:
    """What must not be averaged; that each seed divides the data its own way is why there are several."""
    first, *later = sorted(runs, key=lambda run: run.created)
    matches = [match_data(first, run, metric) for run in later]
    return describe_matches([match for match in matches if match.relation != "divided"], metric, brief=brief)


def _figures(runs: Sequence[RunView], metric: str, mode: Mode) -> dict[str, Measured]:
    """Return the figures of the runs by metric: the one that orders, and those of validation and test that any has."""
    modes: dict[str, Mode] = {metric: mode}
    modes.update({name: direction for name, direction in _REPORTED.items() if name != metric})
    figures = {
        name: [(run, figure) for run in runs if (figure := figure_of(run, name, direction))]
        for name, direction in modes.items()
    }
    return {name: measured for name, measured in figures.items() if measured}


def _pooled(group: str, members: Sequence[RunView], measured: Measured, metric: str) -> list[SeedGroup]:
    """The accuracy over the images of all folds, where each of them validated once for every seed."""
    counts = [(figure.value, images_of(run, metric, figure.value)) for run, figure in measured]
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
            figure=kinds_text(figure.kind for _, figure in measured),
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
    folds: dict[str, list[str]] = {}
    for run in members:
        folds.setdefault(identity(run.flat_config.get("seed")), []).append(str(run.flat_config.get("fold")))
    counts = {names[0].rpartition("/")[2] for names in folds.values()}
    count = counts.pop() if len(counts) == 1 else ""
    if not count.isdecimal():
        return 0
    expected = sorted(f"{number}/{count}" for number in range(1, int(count) + 1))
    return len(folds) if all(sorted(names) == expected for names in folds.values()) else 0


def _paired_metrics(figures: Sequence[dict[str, Measured]]) -> set[str]:
    """Return the metrics that all groups of several runs have of the same seeds (and folds)."""
    names = {name for group in figures for name in group}
    return {name for name in names if _are_paired([group[name] for group in figures if len(group.get(name, [])) > 1])}


def _are_paired(groups: Sequence[Measured]) -> bool:
    """Return whether every group has one run for each of the same seeds (and folds); False of fewer than two groups."""
    if len(groups) < 2:
        return False
    repetitions = [[_repetition(run) for run, _ in measured] for measured in groups]
    first = repetitions[0]
    return len(set(first)) == len(first) and all(sorted(other) == sorted(first) for other in repetitions[1:])


def _repetition(run: RunView) -> tuple[str, ...]:
    return tuple(str(run.flat_config.get(name)) for name in REPEATING)


def _values(measured: Measured, *, paired: bool) -> list[float]:
    """Return the values, in the order of the seeds if they are paired."""
    ordered = sorted(measured, key=lambda pair: _repetition(pair[0])) if paired else measured
    return [figure.value for _, figure in ordered]


def _tied(figures: Sequence[dict[str, Measured]], paired: AbstractSet[str]) -> list[set[str]]:
    """Return for each group the metrics whose mean cannot be told from the first group's; none for the first.

    Nothing can be said of a group of one run, or if the first group is one.
    """
    first, *rivals = figures
    tied: list[set[str]] = [set() for _ in figures]
    for name in {name for group in rivals for name in group}:
        ours = first.get(name, [])
        able = [index for index, group in enumerate(rivals, start=1) if len(ours) > 1 and len(group.get(name, [])) > 1]
        pairs = name in paired
        compare = paired_means_p if pairs else means_p
        ps = [compare(_values(ours, paired=pairs), _values(figures[index][name], paired=pairs)) for index in able]
        for index, differs in zip(able, holm(ps), strict=True):
            if not differs:
                tied[index].add(name)
    return tied


def _row(group: str, metric: str, measured: Measured, *, tied: bool) -> SeedGroup:
    values = _values(measured, paired=False)
    interval = mean_interval(values)
    return SeedGroup(
        group=group,
        metric=metric,
        figure=kinds_text(figure.kind for _, figure in measured),
        runs=len(values),
        mean=statistics.fmean(values),
        std=statistics.stdev(values) if len(values) > 1 else None,
        lowest=min(values),
        highest=max(values),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        tied=tied,
    )


def _best_of_test(figures: Iterable[dict[str, Measured]]) -> list[str]:
    """Return a warning if test metrics count with the best of several steps."""
    chosen = {
        name
        for group in figures
        for name, measured in group.items()
        for run, figure in measured
        if split_of(name) == "test" and figure.kind == "best" and name in run.metrics and run.metrics[name].count > 1
    }
    return [f"The best of several steps is too good for {name}: report one in run.summary." for name in sorted(chosen)]


def _best_first(rows: Sequence[SeedGroup], metric: str, mode: Mode) -> str:
    """Return the sentence on the order of the groups and on the mark; empty if there is one group."""
    if len({row.group for row in rows}) < 2:
        return ""
    tie = "; so few runs cannot tell means marked = from the first" if any(row.tied for row in rows) else ""
    return f"Best first by the mean of {metric} ({direction_text(mode)}){tie}."


def _why_unmarked(rows: Sequence[SeedGroup]) -> str:
    """Return the reason why no group is compared with the first, although others hold several runs."""
    first = max(row.runs for row in rows if row.group == rows[0].group)
    others = [row.runs for row in rows if row.group != rows[0].group]
    return "No mean is marked =, since the first group holds one run." if first == 1 < max(others, default=1) else ""


def _about_intervals(rows: Sequence[SeedGroup]) -> str:
    if all(row.runs == 1 for row in rows):
        return ""
    return "The 95 % interval is that of the mean (Student's t); std and range are the runs' own."


def _methods(rows: Sequence[SeedGroup], paired: AbstractSet[str]) -> list[str]:
    sentences: list[str] = []
    if tied := {row.metric for row in rows if row.tied}:
        names = {True: "t test of pairs of equal seed", False: "Welch's t test"}
        test = " or ".join(names[kind] for kind in sorted({name in paired for name in tied}, reverse=True))
        sentences.append(f"Means are marked = by {test}, 5 % for all groups together by Holm's procedure.")
    if pooled := next((row for row in rows if row.images), None):
        sentences += [
            f"Pooled is the share of all {pooled.images:,} images, with its own interval (Wilson).",
            "Each of them validated once with each seed.",
            "Folds share training images, so the interval of their mean is too narrow (Bengio and Grandvalet 2004).",
        ]
    return sentences
