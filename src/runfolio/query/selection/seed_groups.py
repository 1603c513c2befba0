"""Groups of runs that differ only in seed or fold, with the mean, spread and interval of their metrics."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from runfolio.errors import NotFound
from runfolio.query.run_view import RunT, RunView
from runfolio.query.selection.caption import Caption
from runfolio.query.selection.data_match import describe_matches, match_data
from runfolio.query.selection.duplicates import distinct_runs
from runfolio.query.selection.figures import Figure, figure_of, kinds_text
from runfolio.query.selection.grouping import REPEATING, group_runs, repeated_settings
from runfolio.query.selection.metric_names import Mode, mode_of, split_of
from runfolio.query.selection.ranking import BROKEN, default_metric, direction_text, images_of, ranking_key
from runfolio.query.selection.significance import holm, mean_interval, means_p, paired_means_p, wilson
from runfolio.record.base.flat_names import identity
from runfolio.record.base.plurals import counted

POOLED = ", pooled"
"""Suffix for the name of an accuracy that is computed over the images of all folds."""
_REPORTED: dict[str, Mode] = {"val/acc": "max", "val/loss": "min", "test/acc": "max", "test/loss": "min"}

Measured = Sequence[tuple[RunView, Figure]]
"""Runs of a group that have a metric, each with its value of the metric."""


@dataclass(frozen=True, kw_only=True)
class SeedGroup:
    """Statistics of one metric over the runs of a group."""

    group: str
    """Label of the group, such as `model=mlp lr=0.1`."""
    metric: str
    figure: str
    """Kind of the runs' values, such as `best` (see `figures.Kind`)."""
    runs: int
    """Number of runs that have the metric."""
    mean: float
    std: float | None
    """Sample standard deviation over the runs. `std`, `low` and `high` are None for a single run."""
    lowest: float
    highest: float
    low: float | None
    """Lower end of the 95 % interval for the mean (Student's t)."""
    high: float | None
    """Upper end of the 95 % interval for the mean."""
    images: int | None = None
    """Number of images of a pooled accuracy, which is computed over the images of all folds. For such an accuracy,
    `low` and `high` are the ends of Wilson's interval."""
    tied: bool
    """True if the mean does not differ significantly from the mean of the first group (t test, Holm's procedure). It is
    False if either group has a single run."""

    @property
    def heading(self) -> str:
        """Name of the metric and kind of its values, such as `val/acc best`."""
        name, pooled, _ = self.metric.partition(POOLED)
        return f"{name} {self.figure}{pooled}"


@dataclass(frozen=True)
class SeedGroups:
    """Table of groups, ordered by the mean of a metric."""

    metric: str
    """Metric that orders the groups."""
    mode: Mode
    rows: list[SeedGroup]
    """One row per group and metric, the best group first."""
    caption: Caption
    """Sentences that explain the table."""

    @property
    def any_repeated(self) -> bool:
        """True if at least one group has several runs."""
        return any(row.runs > 1 for row in self.rows)


def group_by_seed(
    runs: Sequence[RunView],
    metric: str | None = None,
    mode: str | None = None,
    group_by: str | Sequence[str] | None = None,
) -> SeedGroups:
    """Return groups of runs, ordered by the mean of a metric, with their validation and test metrics.

    Each run contributes its representative value of the metric (see `figures.figure_of`). Failed and crashed runs,
    reproductions and copies are left out.

    Args:
        runs: Runs to group.
        metric: Metric that orders the groups. Default: the same metric as for the leaderboard.
        mode: `min` or `max`. Default: guessed from the name of the metric.
        group_by: Columns to group by (see `grouping.group_runs`). Default: all settings except the seed, the fold and
            the time of the test.

    Raises:
        NotFound: There are no runs, no run has the metric, or a column does not exist.
        ConfigError: The mode cannot be guessed.
    """
    metric = metric or default_metric(runs)
    direction = mode_of(metric, mode)
    distinct = distinct_runs(runs)
    sound = [run for run in distinct.runs if run.state not in BROKEN]
    grouping = group_runs(sound, repeated_settings(sound) if group_by is None else group_by)
    members = grouping.members
    all_figures = {label: _figures(group, metric, direction) for label, group in members.items()}
    figures = {label: measured for label, measured in all_figures.items() if metric in measured}
    if not figures:
        raise NotFound(f"no run here that ended without an error has a metric {metric!r}")
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
            _shared_seeds({label: [run for run, _ in figures[label][metric]] for label in ordered}),
            _why_unmarked(rows),
            *grouping.notes,
            _about_intervals(rows),
        ],
        [
            *_methods(rows, paired),
            f"Left out: {broken} run{'s' * (broken > 1)} that failed or crashed." if broken else "",
            distinct.sentence,
            *_other_data(sound, metric),
        ],
    )
    return SeedGroups(metric, direction, rows, caption)


def best_group(runs: Sequence[RunT], metric: str | None = None, mode: str | None = None) -> list[RunT]:
    """Return the runs of the group with the best mean. A run that was not repeated is a group with one run.

    Args:
        runs: Candidates.
        metric: Metric by which the groups are compared. Default: the same metric as for the leaderboard.
        mode: `min` or `max`. Default: guessed from the name of the metric.

    Returns:
        Runs of the best group. The list is empty if every run failed, crashed or lacks the metric.

    Raises:
        ConfigError: The mode cannot be guessed.
    """
    if not runs:
        return []
    metric = metric or default_metric(runs)
    direction = mode_of(metric, mode)
    distinct = distinct_runs(runs).runs
    candidates = [run for run in distinct if run.state not in BROKEN and figure_of(run, metric, direction)]
    groups = list(group_runs(candidates, repeated_settings(candidates)).members.values()) if candidates else []
    ordered = sorted(groups, key=lambda members: ranking_key(members, metric, direction))
    return ordered[0] if ordered else []


def _other_data(runs: Sequence[RunView], metric: str, *, brief: bool = False) -> list[str]:
    """Return warnings about runs that used different data. Different splits are expected, because seeds and folds
    differ."""
    first, *later = sorted(runs, key=lambda run: run.created)
    matches = [match_data(first, run, metric) for run in later]
    return describe_matches([match for match in matches if match.relation != "divided"], metric, brief=brief)


def _figures(runs: Sequence[RunView], metric: str, mode: Mode) -> dict[str, Measured]:
    """Return the runs' values of the given metric and of the usual validation and test metrics, keyed by metric."""
    modes: dict[str, Mode] = {metric: mode}
    modes.update({name: direction for name, direction in _REPORTED.items() if name != metric})
    figures = {
        name: [(run, figure) for run in runs if (figure := figure_of(run, name, direction))]
        for name, direction in modes.items()
    }
    return {name: measured for name, measured in figures.items() if measured}


def _pooled(group: str, members: Sequence[RunView], measured: Measured, metric: str) -> list[SeedGroup]:
    """Return a row with the accuracy over the images of all folds. Return no row unless every seed has each fold
    exactly once."""
    counts = [(figure.value, images_of(run, metric, figure.value)) for run, figure in measured]
    seeds = _complete_seeds(members)
    if not seeds or any(images is None for _, images in counts) or len(counts) < len(members):
        return []
    correct = sum(value * (images or 0) for value, images in counts)
    predictions = sum(images or 0 for _, images in counts)
    # Runs with different seeds predict the same images, so additional seeds do not add independent trials.
    images = round(predictions / seeds)
    interval = wilson(correct / predictions, images)
    return [
        SeedGroup(
            group=group,
            metric=f"{metric}{POOLED}",
            figure=kinds_text(figure.kind for _, figure in measured),
            runs=len(members),
            mean=correct / predictions,
            std=None,
            lowest=min(value for value, _ in counts),
            highest=max(value for value, _ in counts),
            low=interval.low,
            high=interval.high,
            images=images,
            tied=False,
        )
    ]


def _complete_seeds(members: Sequence[RunView]) -> int:
    """Return the number of seeds if every seed has each fold exactly once, else 0."""
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
    """Return the metrics for which all groups with several runs have the same seeds and folds."""
    names = {name for group in figures for name in group}
    return {name for name in names if _are_paired([group[name] for group in figures if len(group.get(name, [])) > 1])}


def _are_paired(groups: Sequence[Measured]) -> bool:
    """Return whether there are several groups and all have the same seeds and folds, with one run for each
    combination."""
    if len(groups) < 2:
        return False
    repetitions = [[_repetition(run) for run, _ in measured] for measured in groups]
    first = repetitions[0]
    return len(set(first)) == len(first) and all(sorted(other) == sorted(first) for other in repetitions[1:])


def _repetition(run: RunView) -> tuple[str, ...]:
    return tuple(str(run.flat_config.get(name)) for name in REPEATING)


def _values(measured: Measured, *, paired: bool) -> list[float]:
    """Return one value of the metric per run. Paired values are in the order of the seeds."""
    ordered = sorted(measured, key=lambda pair: _repetition(pair[0])) if paired else measured
    return [figure.value for _, figure in ordered]


def _tied(figures: Sequence[dict[str, Measured]], paired: AbstractSet[str]) -> list[set[str]]:
    """Return one set per group: the metrics whose mean does not differ significantly from the first group's mean.

    Groups with a single run are not compared.
    """
    first, *rivals = figures
    tied: list[set[str]] = [set() for _ in figures]
    for name in {name for group in rivals for name in group}:
        best = first.get(name, [])
        comparable = [
            index for index, group in enumerate(rivals, start=1) if len(best) > 1 and len(group.get(name, [])) > 1
        ]
        pairs = name in paired
        p_value = paired_means_p if pairs else means_p
        ps = [p_value(_values(best, paired=pairs), _values(figures[index][name], paired=pairs)) for index in comparable]
        for index, differs in zip(comparable, holm(ps), strict=True):
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
    """Return a warning for each test metric whose value is the best of several steps."""
    chosen = {
        name
        for group in figures
        for name, measured in group.items()
        for run, figure in measured
        if split_of(name) == "test" and figure.kind == "best" and name in run.metrics and run.metrics[name].count > 1
    }
    return [
        f"The best of several steps is too optimistic for {name}; report one value in run.summary."
        for name in sorted(chosen)
    ]


def _best_first(rows: Sequence[SeedGroup], metric: str, mode: Mode) -> str:
    """Return a sentence that explains the order of the groups and the mark `=`. The sentence is empty if there is only
    one group."""
    if len({row.group for row in rows}) < 2:
        return ""
    tie = "; means marked = do not differ significantly from the first" if any(row.tied for row in rows) else ""
    return f"Best first by the mean of {metric} ({direction_text(mode)}){tie}."


def _why_unmarked(rows: Sequence[SeedGroup]) -> str:
    """Return a sentence if the first group has a single run and is therefore not compared with groups of several
    runs."""
    first = max(row.runs for row in rows if row.group == rows[0].group)
    others = [row.runs for row in rows if row.group != rows[0].group]
    return "No mean is marked =, since the first group has only one run." if first == 1 < max(others, default=1) else ""


def _shared_seeds(groups: Mapping[str, Sequence[RunView]]) -> str:
    """Return a warning if a group has several runs with the same seed and fold, or an empty string if there is no such
    group."""
    seeded = {label: [run for run in members if "seed" in run.flat_config] for label, members in groups.items()}
    seeds = {label: len(set(map(_repetition, members))) for label, members in seeded.items()}
    shared = [label for label, members in seeded.items() if seeds[label] < len(members)]
    if not shared:
        return ""
    first = shared[0]
    subject = f"The {len(seeded[first])} runs" + (f" with {first}" if len(groups) > 1 else "")
    others = f" The same holds for {counted(len(shared) - 1, 'other group')}." if shared[1:] else ""
    return f"{subject} have only {counted(seeds[first], 'different seed')}, so the interval is too narrow.{others}"


def _about_intervals(rows: Sequence[SeedGroup]) -> str:
    if all(row.runs == 1 for row in rows):
        return ""
    return "The 95 % interval is for the mean (Student's t); std and range describe the individual runs."


def _methods(rows: Sequence[SeedGroup], paired: AbstractSet[str]) -> list[str]:
    sentences: list[str] = []
    if tied := {row.metric for row in rows if row.tied}:
        names = {True: "paired t test over the seeds", False: "Welch's t test"}
        test = " or ".join(names[kind] for kind in sorted({name in paired for name in tied}, reverse=True))
        sentences.append(f"The mark = is based on the {test}, with Holm's procedure for an overall error rate of 5 %.")
    if pooled := next((row for row in rows if row.images), None):
        sentences += [
            f"The pooled accuracy covers all {pooled.images:,} images; its interval is Wilson's interval.",
            "Each image was validated once per seed.",
            "Folds share training images, so the interval of their mean is too narrow (Bengio and Grandvalet 2004).",
        ]
    return sentences
