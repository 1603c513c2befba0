"""Leaderboard: runs ordered by a metric, with confidence intervals and ties."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, NamedTuple

from runfolio.query.run_view import RunView
from runfolio.query.selection.caption import Caption
from runfolio.query.selection.data_match import SAME, DataMatch, describe_matches, match_all
from runfolio.query.selection.duplicates import distinct_runs
from runfolio.query.selection.figures import any_figure_of, heading_of
from runfolio.query.selection.metric_names import Mode, mode_of
from runfolio.query.selection.ranking import (
    BROKEN,
    GUESSED,
    default_metric,
    direction_text,
    images_of,
    rank,
    ranking_key,
    selection_split_sentence,
)
from runfolio.query.selection.significance import Interval, holm_shares, wilson
from runfolio.query.tables.run_labels import unique_labels
from runfolio.record.base.flat_names import as_number

TEST = "test/acc"


class Row(NamedTuple):
    """Row of the leaderboard for one run. A number is None if the run did not report it."""

    label: str
    id: str
    run_path: str
    """Folder relative to the store."""
    state: str
    reason: str | None
    """Reason why the run ended, or None if unknown."""
    value: float | None
    """Value of the metric that orders the leaderboard."""
    low: float | None
    """Lower end of the 95 % Wilson interval for `value`, or None if `value` is not a proportion of `images`."""
    high: float | None
    images: int | None
    """Number of images that `value` was measured on."""
    tied: bool
    """True if `value` does not differ significantly from the best value (see `indistinguishable_from_best`)."""
    data: DataMatch
    """Comparison of the data that `value` was measured on with the data of the first row."""
    test: float | None
    """Test accuracy from 0 to 1, or None if the run was not tested."""
    test_low: float | None
    """Lower end of the 95 % Wilson interval for `test`."""
    test_high: float | None
    test_images: int | None
    test_data: DataMatch
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
    """Rows in this order: runs with the metric (best first), runs without the metric, and failed or crashed runs."""
    caption: Caption
    """Sentences that explain the order, the intervals and the marks."""


def leaderboard(runs: Sequence[RunView], metric: str | None = None, mode: str | None = None) -> Leaderboard:
    """Return the runs, ordered by their representative values of a metric (see `figures.figure_of`).

    The other columns are results from the summary: `test/acc`, `parameters`, `size_mb`, `epoch_seconds` and
    `predict_ms`. Reproductions and copies of a run are left out.

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
    figures = [any_figure_of(run, metric, direction) for run in runs]
    values = [figure.value if figure and math.isfinite(figure.value) else None for figure in figures]
    order = sorted(range(len(runs)), key=_sort_keys(runs, values, metric, direction).__getitem__)
    labels = unique_labels(runs)
    rows = _with_ties(_rows([runs[i] for i in order], [labels[i] for i in order], [values[i] for i in order], metric))
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
        heading_of(figures, runs, metric),
        direction,
        [*columns, "state"],
        rows,
        caption,
    )


_FIGURES = ("value", "test", "parameters", "size_mb", "epoch_seconds", "predict_ms")


def _rows(runs: Sequence[RunView], labels: Sequence[str], values: Sequence[float | None], metric: str) -> list[Row]:
    """Return the rows of ordered runs. The data of each row that has a value are compared with the data of the first
    row."""
    tests = [as_number(run.flat_summary.get(TEST)) for run in runs]
    data = _matches(runs, values, values, metric)
    test_data = _matches(runs, values, tests, TEST)
    return [
        _row(run, label, metric, value, test, data_match, test_match)
        for run, label, value, test, data_match, test_match in zip(
            runs, labels, values, tests, data, test_data, strict=True
        )
    ]


def _matches(
    runs: Sequence[RunView], values: Sequence[float | None], compared: Sequence[float | None], metric: str
) -> list[DataMatch]:
    if not runs or values[0] is None:
        return [SAME] * len(runs)
    are_compared = [value is not None and other is not None for value, other in zip(values, compared, strict=True)]
    matches = iter(match_all(runs[0], compress(runs, are_compared), metric))
    return [next(matches) if is_compared else SAME for is_compared in are_compared]


def _row(
    run: RunView,
    label: str,
    metric: str,
    value: float | None,
    test: float | None,
    data: DataMatch,
    test_data: DataMatch,
) -> Row:
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
        tied=False,
        data=data,
        test=test,
        test_low=test_interval.low if test_interval else None,
        test_high=test_interval.high if test_interval else None,
        test_images=test_images,
        test_data=test_data,
        parameters=as_number(run.flat_summary.get("parameters")),
        size_mb=as_number(run.flat_summary.get("size_mb")),
        epoch_seconds=as_number(run.flat_summary.get("epoch_seconds")),
        predict_ms=as_number(run.flat_summary.get("predict_ms")),
    )


def _interval(share: float | None, images: int | None) -> Interval | None:
    return None if share is None or images is None else wilson(share, images)


def _sort_keys(
    runs: Sequence[RunView], values: Sequence[float | None], metric: str, mode: Mode
) -> list[tuple[Any, ...]]:
    """Return the sort key of each run. Runs with the metric come first, then runs without the metric, then failed and
    crashed runs."""
    keys: list[tuple[Any, ...]] = [
        (run.state in BROKEN, value is None, run.created if value is None else rank(value, mode))
        for run, value in zip(runs, values, strict=True)
    ]
    counts = Counter(keys)
    # Other criteria are only read for runs with equal values.
    return [
        (*key, *ranking_key([run], metric, mode)) if counts[key] > 1 and not key[1] else key
        for run, key in zip(runs, keys, strict=True)
    ]


def _count_range(counts: Iterable[int | None]) -> str:
    """Return the range of the counts as text: `45`, or `45 to 90` if the counts differ. The text is empty if there are
    no counts."""
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
        "The best of several test results is too optimistic, so do not choose a run by it.",
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
    return [row._replace(tied=True) if tied.get(row.run_path) else row for row in rows]


def indistinguishable_from_best(best: tuple[float, int], others: Sequence[tuple[float, int]]) -> list[bool]:
    """Return one value per proportion in `others`: True if it does not differ significantly from the best proportion.

    Each comparison adds a chance of a false positive. Holm's procedure limits the total chance to 5 %. The proportions
    are assumed to be independent, so models that were tested on the same images are marked too often.

    Args:
        best: Best proportion and its number of images.
        others: Other proportions and their numbers of images.
    """
    return [not differs for differs in holm_shares(best, others)]


def _image_count_warning(runs: Sequence[RunView], rows: Sequence[Row], metric: str) -> list[str]:
    """Return a warning if the metric was measured on different numbers of images and no mark shows this difference."""
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
    return [f"{broken} of {len(rows)} runs failed; the table shows the reasons."] if broken else []
