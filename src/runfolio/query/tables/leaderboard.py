"""Leaderboard: runs ordered by a metric, with confidence intervals and ties."""

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
    """Row of the leaderboard for one run. A figure is None if the run did not report it."""

    label: str
    id: str
    run_path: str
    """Folder relative to the store."""
    state: str
    reason: str | None
    """Reason why the run ended; None if unknown."""
    value: float | None
    """Value of the metric that orders the leaderboard."""
    low: float | None
    """Lower end of the 95 % Wilson interval for `value`; None if `value` is not a proportion of `images`."""
    high: float | None
    images: int | None
    """Number of images that `value` was measured on."""
    tied: bool = False
    """True if `value` does not differ significantly from the best value (see `indistinguishable_from_best`)."""
    data: DataMatch = SAME
    """Comparison of the data that `value` was measured on with the data of the first row."""
    test: float | None
    """Test accuracy, 0 to 1; None if the run was not tested."""
    test_low: float | None
    """Lower end of the 95 % Wilson interval for `test`."""
    test_high: float | None
    test_images: int | None
    test_data: DataMatch = SAME
    """Comparison of the run's test data with the test data of the first row."""
    parameters: float | None
    size_mb: float | None
    epoch_seconds: float | None
    predict_ms: float | None


@dataclass(frozen=True)
class Leaderboard:
    """Runs ordered by a metric."""

    metric: str
    heading: str
    """Name of the metric and kind of its values, such as `val/acc best`."""
    mode: Mode
    columns: list[str]
    """Fields of `Row` that have a value in at least one row."""
    rows: list[Row]
    """Rows in this order: runs with the metric (best first), runs without the metric, failed and crashed runs."""
    caption: Caption
    """Sentences that explain the order, the intervals and the marks."""


def leaderboard(runs: Sequence[RunView], metric: str | None = None, mode: str | None = None) -> Leaderboard:
    """Return the runs, ordered by their figures for a metric (see `figures.figure_of`).

    The other columns are results from the summary: `test/acc`, `parameters`, `size_mb`, `epoch_seconds`, `predict_ms`.
    Reproductions and copies of a run are left out.

    Args:
        runs: Runs to order.
        metric: Metric to order the runs by. Default: see `ranking.default_metric`.
        mode: `min` or `max`. Default: guessed from the metric's name.

    Raises:
        NotFound: There are no runs.
        ConfigError: The mode cannot be guessed.
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
            *_data_sentences(rows, metric, brief=True)[:1],
            *_image_count_warning(runs, rows, metric),
            selection_split_sentence(metric),
        ],
        [
            *_methods(rows, guessed=mode is None),
            *_test_sentences(rows, metric),
            *_failure_sentences(rows),
            distinct.sentence,
            *_data_sentences(rows, metric),
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
    interval, test_interval = _interval(value, images), _interval(test, test_images)
    return Row(
        label=label,
        id=run.id,
        run_path=run.run_path,
        state=run.state,
        reason=run.reason,
        value=value,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        images=images,
        test=test,
        test_low=test_interval.low if test_interval else None,
        test_high=test_interval.high if test_interval else None,
        test_images=test_images,
        parameters=as_number(run.flat_summary.get("parameters")),
        size_mb=as_number(run.flat_summary.get("size_mb")),
        epoch_seconds=as_number(run.flat_summary.get("epoch_seconds")),
        predict_ms=as_number(run.flat_summary.get("predict_ms")),
    )


def _interval(share: float | None, images: int | None) -> Interval | None:
    return None if share is None or images is None else wilson(share, images)


def _order(run: RunView, metric: str, mode: Mode) -> tuple[Any, ...]:
    """Return the sort key of a run. The order is: runs with the metric, runs without it, failed and crashed runs."""
    is_missing = figure_of(run, metric, mode) is None
    return run.state in BROKEN, is_missing, *((run.created,) if is_missing else ranking_key([run], metric, mode))


def _count_range(counts: Iterable[int | None]) -> str:
    """Return `45`, or `45 to 90` if the counts differ; empty if there are none."""
    distinct = sorted({count for count in counts if count})
    return " to ".join(f"{count:,}" for count in dict.fromkeys((distinct[0], distinct[-1]))) if distinct else ""


def _test_sentences(rows: Sequence[Row], metric: str) -> list[str]:
    """Return a sentence about the number of tested runs, and a warning if there are several."""
    sound = [row for row in rows if row.state not in BROKEN]
    tested = [row for row in sound if row.test is not None]
    if not tested or metric == TEST:
        return []
    images = _count_range(row.test_images for row in tested)
    interval = f"; the interval of {TEST} is based on {images} test images" if images else ""
    if len(tested) == 1:
        return [
            f"1 run was tested{interval}.",
            *(["`runfolio evaluate RUN` tests another run."] if len(sound) > 1 else []),
        ]
    subject = "All" if len(tested) == len(sound) else f"{len(tested)} of the {len(sound)}"
    return [
        f"{subject} runs were tested{interval}.",
        "The best of several test figures is too optimistic, so do not choose a run by it.",
    ]


def _with_data_matches(rows: list[Row], runs: Mapping[str, RunView], metric: str) -> list[Row]:
    """Return the rows. Each row with a figure gets a comparison of its data with the data of the first row."""
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


def _data_sentences(rows: Sequence[Row], metric: str, *, brief: bool = False) -> list[str]:
    """Return sentences that explain the marks for differing data."""
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
    comparable = {
        row.run_path: (row.value, row.images)
        for row in rows[1:]
        if row.value is not None and row.images and row.state not in BROKEN and row.data.relation != "other"
    }
    tied = dict(zip(comparable, indistinguishable_from_best(best, list(comparable.values())), strict=True))
    return [replace(row, tied=tied.get(row.run_path, False)) for row in rows]


def indistinguishable_from_best(best: tuple[float, int], others: Sequence[tuple[float, int]]) -> list[bool]:
    """Return for each of `others` whether it does not differ significantly from the best proportion.

    Each comparison adds a chance of a false positive; Holm's procedure limits the total to 5 %. The proportions are
    assumed to be independent, so models that were tested on the same images are marked too often.

    Args:
        best: Best proportion and its number of images.
        others: Other proportions and their numbers of images.
    """
    return [not differs for differs in holm([shares_p(*best, *other) for other in others])]


def _image_count_warning(runs: Sequence[RunView], rows: Sequence[Row], metric: str) -> list[str]:
    """Return a warning if the metric was measured on different numbers of images and no mark shows this."""
    if _data_sentences(rows, metric):
        return []
    images = f"{metric.partition('/')[0]}/images"
    counts = sorted({int(count) for run in runs if (count := as_number(run.flat_summary.get(images)))})
    if len(counts) < 2:
        return []
    return [f"{metric} was measured on {counts[0]:,} to {counts[-1]:,} images, so the images differ between runs."]


def _best_first(rows: Sequence[Row], metric: str, mode: Mode) -> str:
    """Return a sentence that states the order of the rows, and how many runs may be as good as the best run."""
    tied = sum(row.tied for row in rows)
    runs = "the run marked = does" if tied == 1 else f"the {tied} runs marked = do"
    tie = f"; {runs} not differ significantly from the best" if tied else ""
    return f"Best first by {metric} ({direction_text(mode)}){tie}."


def _methods(rows: Sequence[Row], *, guessed: bool) -> list[str]:
    sentences = [GUESSED] if guessed else []
    if images := _count_range(row.images for row in rows):
        sentences.append(f"The 95 % interval of the metric (Wilson) is based on {images} images.")
    if any(row.tied for row in rows):
        sentences.append(
            "The mark = is based on Newcombe's interval, with Holm's procedure for an overall error rate of 5 %."
        )
    return sentences


def _failure_sentences(rows: Sequence[Row]) -> list[str]:
    broken = sum(row.state in BROKEN for row in rows)
    return [f"{broken} of {len(rows)} runs failed, for the reasons in the table."] if broken else []
