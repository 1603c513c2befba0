"""Comparison of runs by their answers to the same items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

import runfolio
from runfolio.query.selection.paired_answers import compare_answers
from runfolio.query.tables.comparison import compare

RECORDING = runfolio.RecordingConfig(console=False, system_s=0, code=False)


@pytest.fixture
def answer(store: Path) -> Callable[..., runfolio.RecordedRun]:
    """Record a run whose answers to two classes are right (True) or wrong (False)."""

    def answer(name: str, right: Sequence[bool], split: str = "test", **options: Any) -> runfolio.RecordedRun:
        truths = options.pop("truths", [number % 2 for number in range(len(right))])
        names = options.pop("names", [f"photo {number}" for number in range(len(right))])
        said = [truth if is_right else 1 - truth for truth, is_right in zip(truths, right, strict=True)]
        with runfolio.init(name, store=store, recording=RECORDING) as run:
            run.log({"val/acc": sum(right) / len(right)})
            run.log_answers(split, names, truths, 3 * np.eye(2)[said], classes=["cat", "dog"], **options)
        return runfolio.open(store).run(run.id)

    return answer


def right(count: int, wrong: Sequence[int] = ()) -> list[bool]:
    return [number not in wrong for number in range(count)]


def test_result_is_that_of_mcnemars_test(answer):
    good, bad = answer("good", right(40, [0])), answer("bad", right(40, range(10)))
    (result,) = compare_answers([bad, good])

    p = scipy.stats.binomtest(0, 9).pvalue
    assert (result.split, result.items, result.accuracies) == ("test", 40, [0.75, 0.975])
    assert result.ps == [pytest.approx(p), 1.0]
    assert result.tied == [False, False]
    assert result.sentence(["bad", "good"]) == (
        "On the 40 test items that both answered, good is better: 0.975 against 0.750 (McNemar's test, p = 0.0039)."
    )


def test_small_difference_is_not_significant(answer):
    runs = [answer("a", right(40, [0])), answer("b", right(40, [1, 2]))]

    assert compare(runs).caption.short[0] == (
        "On the 40 test items that both answered, the accuracies 0.975 and 0.950 do not differ significantly"
        " (McNemar's test, p = 1)."
    )


def test_items_are_matched_by_name_in_any_order(answer):
    names = [f"photo {number}" for number in range(20)]
    first = answer("a", right(20, [3]), names=names, truths=[0] * 20)
    second = answer("b", right(20, [16]), names=names[::-1], truths=[0] * 20)
    (result,) = compare_answers([first, second])

    assert result.ps == [1.0, 1.0]
    assert result.accuracies == [0.95, 0.95]


def test_only_items_that_all_runs_answered_count(answer):
    (result,) = compare_answers([answer("a", right(30)), answer("b", right(20, [0]))])

    assert (result.items, result.accuracies) == (20, [1.0, 0.95])


def test_several_runs_are_compared_with_the_best(answer):
    runs = [answer(name, right(60, range(wrong))) for name, wrong in (("best", 0), ("near", 3), ("far", 30))]
    (result,) = compare_answers(runs)

    assert result.sentence(["best", "near", "far"]) == (
        "On the 60 test items that all answered, best has the best accuracy;"
        " near does not differ significantly from it (McNemar's test)."
    )


def test_validation_answers_come_before_test_answers(answer, store):
    runs = []
    for name in ("a", "b"):
        run = answer(name, right(10), split="test")
        with runfolio.resume(run.id, checkpoint=None, store=store) as again:
            again.log_answers("val", None, [0, 1], 3 * np.eye(2), classes=["cat", "dog"])
        runs.append(runfolio.open(store).run(run.id))

    assert [result.split for result in compare_answers(runs)] == ["val", "test"]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"split": "other"}, id="other split"),
        pytest.param({"truths": [1] * 10}, id="other truths"),
        pytest.param({"digests": ["new"] * 10}, id="other contents"),
        pytest.param({"names": [f"image {number}" for number in range(10)]}, id="other items"),
        pytest.param({"names": ["photo"] * 10}, id="equal names"),
    ],
)
def test_answers_to_other_items_are_not_compared(answer, options):
    first = answer("a", right(10), digests=["old"] * 10)

    assert compare_answers([first, answer("b", right(10), **options)]) == []


def test_values_are_not_compared(store):
    for name in ("a", "b"):
        with runfolio.init(name, store=store, recording=RECORDING) as run:
            run.log_answers("test", None, [1.0, 2.0], np.array([1.0, 2.5]))

    assert compare_answers(runfolio.open(store).runs()) == []


def test_runs_without_answers_are_told_how_to_see_what_is_chance(store, write):
    for name, seed in (("a", 1), ("b", 1)):
        write(name, config={"lr": ord(name), "seed": seed}, points={"val/acc": [0.5]})
    runs = list(runfolio.open(store).runs())
    advice = "With one run per setting, a difference may be due to chance; add more seeds and use --group-by -seed."
    assert compare(runs).caption.short[0] == advice

    write("c", config={"lr": ord("a"), "seed": 2}, points={"val/acc": [0.6]})
    runs = list(runfolio.open(store).runs())
    assert compare(runs).caption.short[0] == "Some runs differ only in the seed: --group-by -seed compares their means."
