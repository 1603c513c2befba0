"""The runs of a series or an experiment, best first, with what the data that chose can and cannot tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runfolio.query.run_view import RunView
from runfolio.query.selection.caption import Caption
from runfolio.query.selection.data_match import SAME, DataMatch, describe_matches, match_data
from runfolio.query.selection.duplicates import distinct_runs
from runfolio.query.selection.figures import figure_heading, figure_of
from runfolio.query.selection.metric_names import Mode, mode_of
from runfolio.query.selection.ranking import (
    BROKEN,
    GUESSED,
    default_metric,
    direction_text,
    images_of,
    ranking_key,
    selection_split_sentence,
)
from runfolio.query.selection.significance import Interval, holm, shares_p, wilson
from runfolio.query.tables.run_labels import unique_labels
from runfolio.record.base.flat_names import as_number

TEST = "test/acc"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run. A figure is None where the run did not report it."""

    label: str
    id: str
    run_path: str
    """The folder below the store."""
    state: str
    reason: str | None
    """Why it ended as it did, where there is something to say."""
    value: float | None
    """The metric that orders the board."""
    low: float | None
    """The 95 % interval of `value`, where that is a share of `images` (Wilson)."""
    high: float | None
    images: int | None
    tied: bool = False
    """The data that chose cannot tell this run from the best (see `indistinguishable_from_best`)."""
    data: DataMatch = SAME
    """How what the metric was measured on stands to the first row's."""
    test: float | None
    """Share of the test images that were right, 0 to 1; None where they were not looked at."""
    test_low: float | None
    """The 95 % interval of `test` for that many images (Wilson)."""
    test_high: float | None
    test_images: int | None
    test_data: DataMatch = SAME
    """How the test images stand to the first row's."""
    parameters: float | None
    size_mb: float | None
    epoch_seconds: float | None
    predict_ms: float | None


@dataclass(frozen=True)
class Leaderboard:
    metric: str
    heading: str
    """The metric with which of its figures counts, such as `val/acc best`."""
    mode: Mode
    columns: list[str]
    """The fields of `Row` worth showing: those any run has a figure for."""
    rows: list[Row]
    """Best first; then the runs without the metric; then the failed and crashed ones."""
    caption: Caption
    """How to read it: what chose, what the interval and the mark say."""


def leaderboard(runs: Sequence[RunView], metric: str | None = None, mode: str | None = None) -> Leaderboard:
    """The runs in order of `metric`, with the figures that their summaries report.

    Read from a summary: `test/acc`, `test/images`, `parameters`, `size_mb`, `epoch_seconds`, `predict_ms`; the metric
    is each run's figure (`figures.figure_of`). Reproductions and second copies of a run are left out.

    Args:
        metric: None takes the first of val/acc, val/loss, test/acc, test/loss, train/acc, train/loss that a run has.
        mode: "min" or "max"; None guesses it from the metric's name.
    Raises:
        NotFound: There are no runs, or no metric is given and the runs have none of the usual ones.
        ConfigError: The metric's name does not say whether more or less is better.
    """
    distinct = distinct_runs(runs)
    runs = sorted(distinct.runs, key=lambda run: run.created)
    metric = metric or default_metric(runs)
    direction = mode_of(metric, mode)
    order = {run.run_path: _order(run, metric, direction) for run in runs}
    rows = [_row(run, label, metric, direction) for run, label in zip(runs, unique_labels(runs), strict=True)]
    rows.sort(key=lambda row: order[row.run_path])
    rows = _with_ties(_with_data_matches(rows, {run.run_path: run for run in runs}, metric))
    caption = Caption.of(
        [
            _best_first(rows, metric, direction),
            *_on_which_data(rows, metric, brief=True)[:1],
            *_chosen_on(runs, rows, metric),
            selection_split_sentence(metric),
        ],
        [
            *_methods(rows, guessed=mode is None),
            *_on_the_test(rows, metric),
            *_on_failures(rows),
            distinct.sentence,
            *_on_which_data(rows, metric),
        ],
    )
    columns = ["label", *(column for column in _FIGURES if any(getattr(row, column) is not None for row in rows))]
    return Leaderboard(
        metric,
        figure_heading(runs, metric, direction),
        direction,
        [*columns, "state"],
        rows,
        caption,
    )


_FIGURES = ("value", "test", "parameters", "size_mb", "epoch_seconds", "predict_ms")


def _row(run: RunView, label: str, metric: str, mode: Mode) -> Row:
    figure = figure_of(run, metric, mode)
    value, test = figure.value if figure else None, as_number(run.flat_summary.get(TEST))
    images, test_images = images_of(run, metric, value), images_of(run, TEST, test)
    chose, of_test = _interval(value, images), _interval(test, test_images)
    return Row(
        label=label,
        id=run.id,
        run_path=run.run_path,
        state=run.state,
        reason=run.reason,
        value=value,
        low=chose.low if chose else None,
        high=chose.high if chose else None,
        images=images,
        test=test,
        test_low=of_test.low if of_test else None,
        test_high=of_test.high if of_test else None,
        test_images=test_images,
        parameters=as_number(run.flat_summary.get("parameters")),
        size_mb=as_number(run.flat_summary.get("size_mb")),
        epoch_seconds=as_number(run.flat_summary.get("epoch_seconds")),
        predict_ms=as_number(run.flat_summary.get("predict_ms")),
    )


def _interval(share: float | None, images: int | None) -> Interval | None:
    return None if share is None or images is None else wilson(share, images)


def _order(run: RunView, metric: str, mode: Mode) -> tuple[Any, ...]:
    """Sound runs, then those without the metric, then broken ones; of each the best first, as in `choose`."""
    lacking = figure_of(run, metric, mode) is None
    return run.state in BROKEN, lacking, *((run.created,) if lacking else ranking_key([run], metric, mode))


def _counted(counts: Iterable[int | None]) -> str:
    """`45`, or `45 to 90` where they differ; empty where there are none."""
    distinct = sorted({count for count in counts if count})
    return " to ".join(f"{count:,}" for count in dict.fromkeys((distinct[0], distinct[-1]))) if distinct else ""


def _on_the_test(rows: Sequence[Row], metric: str) -> list[str]:
    """Which runs were tested, and what that does to their figures."""
    sound = [row for row in rows if row.state not in BROKEN]
    tested = [row for row in sound if row.test is not None]
    if not tested or metric == TEST:
        return []
    images = _counted(row.test_images for row in tested)
    interval = f"; the interval of {TEST} is for {images} test images" if images else ""
    if len(tested) == 1:
        return [f"1 run was tested{interval}.", *(["`runfolio evaluate RUN` tests another."] if len(sound) > 1 else [])]
    subject = "All" if len(tested) == len(sound) else f"{len(tested)} of the {len(sound)}"
    return [
        f"{subject} runs were tested{interval}.",
        "The best of several test figures is too good: let them choose nothing.",
    ]


def _with_data_matches(rows: list[Row], runs: Mapping[str, RunView], metric: str) -> list[Row]:
    """The rows with how their data stand to those of the first; of a row without a figure there is nothing to say."""
    if not rows or rows[0].value is None:
        return rows
    first = runs[rows[0].run_path]
    return [
        row
        if row.value is None
        else replace(
            row,
            data=match_data(first, runs[row.run_path], metric),
            test_data=match_data(first, runs[row.run_path], TEST) if row.test is not None else SAME,
        )
        for row in rows
    ]


def _on_which_data(rows: Sequence[Row], metric: str, *, brief: bool = False) -> list[str]:
    """What the marks of the data say."""
    matches = {metric: [row.data for row in rows]}
    if metric != TEST:
        matches[TEST] = [row.test_data for row in rows]
    return [
        sentence
        for name, of_rows in matches.items()
        for sentence in describe_matches(of_rows, name, marked=True, brief=brief)
    ]


def _with_ties(rows: list[Row]) -> list[Row]:
    if not rows or rows[0].value is None or rows[0].images is None or rows[0].state in BROKEN:
        return rows
    best = (rows[0].value, rows[0].images)
    able = {
        row.run_path: (row.value, row.images)
        for row in rows[1:]
        if row.value is not None and row.images and row.state not in BROKEN and row.data.relation != "other"
    }
    tied = dict(zip(able, indistinguishable_from_best(best, list(able.values())), strict=True))
    return [replace(row, tied=tied.get(row.run_path, False)) for row in rows]


def indistinguishable_from_best(best: tuple[float, int], others: Sequence[tuple[float, int]]) -> list[bool]:
    """Which of other shares, each with how many it is of, cannot be told from the best one.

    Each comparison adds a chance of a false positive; Holm's procedure keeps that of all together at 5 %. The shares
    are taken as independent, so of models tested on the same images rather too many are marked.
    """
    return [not differs for differs in holm([shares_p(*best, *other) for other in others])]


def _chosen_on(runs: Sequence[RunView], rows: Sequence[Row], metric: str) -> list[str]:
    """A warning where the metric that chose was measured on different images, and no mark says so."""
    if _on_which_data(rows, metric):
        return []
    images = f"{metric.partition('/')[0]}/images"
    counts = sorted({int(count) for run in runs if (count := as_number(run.flat_summary.get(images)))})
    if len(counts) < 2:
        return []
    return [f"Mind that {metric} is over {counts[0]:,} to {counts[-1]:,} images: not the same ones in every run."]


def _best_first(rows: Sequence[Row], metric: str, mode: Mode) -> str:
    """Return the sentence on the order of the rows, and on the number of runs that may be as good as the first."""
    tied = sum(row.tied for row in rows)
    runs = "the run" if tied == 1 else f"the {tied} runs"
    tie = f"; so few images cannot tell {runs} marked = from the best" if tied else ""
    return f"Best first by {metric} ({direction_text(mode)}){tie}."


def _methods(rows: Sequence[Row], *, guessed: bool) -> list[str]:
    sentences = [GUESSED] if guessed else []
    if chose := _counted(row.images for row in rows):
        sentences.append(f"The 95 % interval of the metric (Wilson) is for {chose} images.")
    if any(row.tied for row in rows):
        sentences.append("Runs are marked = by Newcombe's interval, 5 % for all together by Holm's procedure.")
    return sentences


def _on_failures(rows: Sequence[Row]) -> list[str]:
    broken = sum(row.state in BROKEN for row in rows)
    return [f"{broken} of {len(rows)} runs failed; the reason is given beside each."] if broken else []
