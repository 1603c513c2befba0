"""`run.log_answers`: what a model said of each item, and how it is read again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import runfolio
from runfolio.errors import ConfigError, NotFound
from runfolio.query.recorded_answers import Answers

RECORDING = runfolio.RecordingConfig(console=False, system_s=0, code=False)


@pytest.fixture
def run(store: Path) -> Iterator[runfolio.Run]:
    with runfolio.init("net", store=store, recording=RECORDING) as run:
        yield run


def finished(run: runfolio.Run) -> runfolio.RecordedRun:
    run.finish()
    return runfolio.open(run.folder.parents[1]).run(run.id)


def answers(run: runfolio.Run, split: str = "test") -> Answers:
    return finished(run).answers(split)


class TestClasses:
    def test_answers_are_those_of_torch(self, run: runfolio.Run):
        torch.manual_seed(0)
        logits, truths = 3 * torch.randn(2_000, 7), torch.randint(7, (2_000,))
        run.log_answers("test", None, truths, logits)
        logged = answers(run)

        best = logits.softmax(dim=1).topk(5)
        losses = torch.nn.functional.cross_entropy(logits, truths, reduction="none")
        assert (logged.names[0], logged.names[-1], len(logged)) == ("0", "1999", 2_000)
        assert logged.truths.tolist() == truths.tolist()
        assert logged.top is not None
        assert logged.top.tolist() == best.indices.tolist()
        assert logged.probabilities == pytest.approx(best.values.numpy(), abs=1e-6)
        assert logged.losses == pytest.approx(losses.numpy(), rel=1e-5, abs=1e-6)
        assert logged.accuracy == pytest.approx(float((logits.argmax(dim=1) == truths).double().mean()))

    def test_names_classes_and_digests_are_kept(self, run: runfolio.Run):
        given: dict[str, Any] = {"classes": ["cat", "dog"], "digests": ["d1", "d2"]}
        run.log_answers("test", ["a/1.jpg", "é/\udcff.jpg"], [1, 0], [[0.5, 2.0], [-1.0, 3.0]], **given)
        logged = answers(run)

        assert (logged.names, logged.digests) == (["a/1.jpg", "é/\\udcff.jpg"], ["d1", "d2"])
        table = logged.to_pandas()
        assert list(table) == [
            "name",
            "digest",
            "truth",
            "class_1",
            "class_2",
            "probability_1",
            "probability_2",
            "loss",
        ]
        assert table.truth.tolist() == ["dog", "cat"]
        assert table.class_1.tolist() == ["dog", "dog"]
        assert logged.accuracy == 0.5

    def test_probabilities_are_kept_as_they_are(self, run: runfolio.Run):
        run.log_answers("test", None, [0, 1], np.array([[0.25, 0.75], [0.0, 1.0]]), probabilities=True)
        logged = answers(run)
        assert logged.probabilities is not None
        assert logged.probabilities.tolist() == [[0.75, 0.25], [1.0, 0.0]]
        assert logged.losses == pytest.approx([-math.log(0.25), 0.0])

    def test_masked_and_equal_scores_have_distinct_classes(self, run: runfolio.Run):
        run.log_answers("test", None, [0, 2], [[-math.inf, 1.0, -math.inf], [5.0, 5.0, 5.0]])
        logged = answers(run)
        assert logged.top is not None
        assert logged.top.tolist() == [[1, 0, 2], [0, 1, 2]]
        assert logged.probabilities == pytest.approx(np.array([[1.0, 0.0, 0.0], [1 / 3] * 3]))
        assert logged.losses is not None
        assert logged.losses.tolist() == [math.inf, pytest.approx(math.log(3))]

    def test_rows_with_nan_have_nan_probabilities(self, run: runfolio.Run):
        run.log_answers("test", None, [0, 0], [[math.nan, 1.0], [2.0, 1.0]])
        logged = answers(run)
        assert logged.losses is not None
        assert np.isnan(logged.losses).tolist() == [True, False]

    def test_later_changes_of_the_arrays_change_nothing(self, run: runfolio.Run):
        truths, logits = torch.tensor([0, 1]), torch.tensor([[9.0, 0.0], [0.0, 9.0]])
        run.log_answers("test", None, truths, logits)
        truths.fill_(0)
        logits.zero_()
        assert answers(run).accuracy == 1.0

    def test_half_precision_and_gradients_are_accepted(self, run: runfolio.Run):
        run.log_answers("test", None, [1], torch.tensor([[0.5, 2.0]], dtype=torch.bfloat16, requires_grad=True))
        assert answers(run).accuracy == 1.0


def test_regression_has_values_and_errors(run: runfolio.Run):
    run.log_answers("val", ["a", "b"], torch.tensor([1, 2]), torch.tensor([[1.5], [1.0]]))
    logged = answers(run, "val")
    assert (logged.predictions.tolist(), logged.errors.tolist()) == ([1.5, 1.0], [0.5, -1.0])  # type: ignore[union-attr]
    assert (logged.accuracy, logged.classes, logged.top) == (None, None, None)
    assert list(logged.to_pandas()) == ["name", "truth", "value", "error"]


class TestFiles:
    def test_last_call_for_a_split_replaces_earlier_ones(self, run: runfolio.Run):
        for right in range(20):
            run.log_answers("test", None, [0] * 20, [[2.0, 0.0]] * right + [[0.0, 2.0]] * (20 - right))
        run.log_answers("val", None, [0], [[2.0, 0.0]])
        assert answers(run).accuracy == 19 / 20
        assert sorted(path.name for path in (run.folder / "answers").iterdir()) == ["test-1.parquet", "val-1.parquet"]

    def test_newest_attempt_counts(self, store: Path, run: runfolio.Run):
        run.log_answers("test", None, [0], [[2.0, 0.0]])
        run.finish("interrupted")
        with runfolio.resume(run.id, checkpoint=None, store=store, recording=RECORDING) as again:
            again.log_answers("test", None, [0], [[0.0, 2.0]])
        logged = answers(run)
        assert (logged.attempt, logged.accuracy) == (2, 0.0)
        assert (run.folder / "answers/test-1.parquet").is_file()

    def test_missing_answers_are_reported_with_the_existing_splits(self, run: runfolio.Run):
        run.log_answers("val", None, [0], [[2.0, 0.0]])
        with pytest.raises(NotFound, match="no answers to 'test'; it has answers to val"):
            answers(run)

    def test_script_that_just_ends_has_its_answers(self, python, store: Path):
        script = (
            "import runfolio, sys\nrun = runfolio.init('net', store=sys.argv[1])\n"
            "run.log_answers('test', None, [0], [[2.0, 0.0]])"
        )
        python(script, store)
        assert runfolio.open(store).run("net").answers().accuracy == 1.0


class TestMistakes:
    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (("a/b", None, [0], [[1.0, 2.0]]), "split 'a/b' may have only letters"),
            (("test", None, [0], [[[1.0, 2.0]]]), r"scores have the shape (1, 1, 2)"),
            (("test", None, [0, 1], [[1.0, 2.0]]), r"truths have the shape (2,)"),
            (("test", None, [2], [[1.0, 2.0]]), "truths must be indices of the 2 classes"),
            (("test", None, [0.5], [[1.0, 2.0]]), "truths must be indices of the 2 classes"),
            (("test", ["a", "b"], [0], [[1.0, 2.0]]), "there are 2 names for 1 rows of scores"),
            (("test", "a", [0], [[1.0, 2.0]]), "names must be a list of strings, one per item, not str"),
            (("test", None, [0], [torch.zeros(1, 2)]), "scores have the shape (1, 1, 2)"),
            (("test", None, [0], "text"), "scores: str is not an array of numbers"),
            (("test", None, [0], [[0.25, 0.75]]), "pass probabilities=True"),
            (("test", None, np.zeros(0), np.zeros((0, 2))), "there are 0 items"),
        ],
    )
    def test_arguments_that_do_not_fit_are_reported(
        self, run: runfolio.Run, call: tuple[Any, ...], message: str, caplog
    ):
        run.log_answers(*call)
        run.flush()
        assert message in caplog.text
        assert finished(run).document.refused == {"(log_answers)": 1}

    def test_logits_given_as_probabilities_are_reported_by_the_thread(self, run: runfolio.Run, caplog):
        run.log_answers("test", None, [0], [[-1.0, 2.0]], probabilities=True)
        run.log_answers("val", None, [0], [[2.0, 0.0]], digests=lambda: 1 / 0)  # type: ignore[arg-type, return-value]
        assert finished(run).document.refused == {"(log_answers)": 2}
        assert "the answers to 'test' were left out: some scores are not between 0 and 1" in caplog.text
        assert "the answers to 'val' were left out: ZeroDivisionError" in caplog.text

    def test_strict_run_raises(self, store: Path):
        with runfolio.init(store=store, strict=True, recording=RECORDING) as run:
            with pytest.raises(ConfigError, match="truths have the shape"):
                run.log_answers("test", None, [0, 1], [[1.0, 2.0]])
            with pytest.raises(ConfigError, match="some scores are not between 0 and 1"):
                run.log_answers("test", None, [0], [[-1.0, 2.0]], probabilities=True)
