"""Comparison of two records: bit-equal, within tolerance, or the first step at which they differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import runfolio
from runfolio.errors import NotFound
from runfolio.query.run import RecordedRun
from runfolio.reproduce.verdict import TIME_METRICS, Tolerance, ValueGap, compare_runs

Write = Callable[..., RecordedRun]
CALLS = [({"loss": 1.0 / (step + 1), "lr": 0.1}, step) for step in range(6)]


@pytest.fixture
def write(store: Path) -> Write:
    """Return a function that writes a run with these log calls (values, step) and these tensors in a checkpoint."""

    def write(
        calls: Sequence[tuple[Mapping[str, float], int]] = CALLS,
        state: str = "finished",
        **tensors: Any,
    ) -> RecordedRun:
        run = runfolio.init("net", store=store, recording=runfolio.RecordingConfig(code=False))
        for values, step in calls:
            run.log(values, step=step)
        if tensors:
            run.checkpoint(step=5, **tensors)
        run.finish(state)
        return runfolio.open(store).run(run.id)

    return write


def changed(index: int, **values: float) -> list[tuple[Mapping[str, float], int]]:
    """Return the calls with the values of one call replaced."""
    return [*CALLS[:index], ({**CALLS[index][0], **values}, CALLS[index][1]), *CALLS[index + 1 :]]


def test_the_same_points_are_bit_equal(write: Write):
    verdict = compare_runs(write(), write())
    assert (verdict.word, verdict.first, verdict.largest) == ("bit-equal", None, None)
    assert verdict.sentence == "bit-equal: 12 points of 2 metrics were compared."


def test_one_metric_is_one(write: Write):
    calls = [({"loss": 1.0}, 0)]
    assert compare_runs(write(calls), write(calls)).sentence == "bit-equal: 1 point of 1 metric was compared."


def test_a_last_bit_is_within_tolerance(write: Write):
    verdict = compare_runs(write(), write(changed(2, loss=np.nextafter(1 / 3, 1))))
    assert verdict.word == "within tolerance"
    assert verdict.first == verdict.largest == ValueGap("loss", 2, 1 / 3, float(np.nextafter(1 / 3, 1)))
    assert "within tolerance (rtol 1e-05, atol 1e-08): the largest difference is 5.55e-17, in loss at step 2" in (
        verdict.sentence
    )


def test_verdict_is_parts_for_a_point_beyond_the_tolerance(write: Write):
    other = changed(2, loss=0.3333333)
    assert compare_runs(write(), write(other)).word == "within tolerance"
    verdict = compare_runs(write(), write(other), tolerance=Tolerance(1e-9, 0))
    assert verdict.sentence.startswith("parts at step 2: loss was 0.3333333333333333 and is 0.3333333; 12 points")


def test_of_several_metrics_the_one_that_came_first_counts(write: Write):
    verdict = compare_runs(
        write(), write([*CALLS[:3], ({"loss": 9.0, "lr": 0.1}, 3), ({"loss": 9.0, "lr": 9.0}, 4), CALLS[5]])
    )
    assert verdict.first == ValueGap("loss", 3, 0.25, 9.0)
    assert verdict.largest == ValueGap("lr", 4, 0.1, 9.0)


def test_nan_is_nan_and_minus_zero_is_not_zero(write: Write):
    odd = changed(1, loss=math.nan, lr=0.0)
    assert compare_runs(write(odd), write(odd)).word == "bit-equal"
    assert compare_runs(write(odd), write(changed(1, loss=math.nan, lr=-0.0))).word == "within tolerance"
    assert compare_runs(write(), write(changed(1, loss=math.nan))).word == "parts"
    assert compare_runs(write(changed(1, loss=math.inf)), write(changed(1, loss=math.inf))).word == "bit-equal"
    assert compare_runs(write(changed(1, loss=math.inf)), write(changed(1, loss=-math.inf))).word == "parts"


def test_missing_points_extra_points_and_other_steps_part(write: Write):
    assert compare_runs(write(), write(CALLS[:4])).first == ValueGap("loss", 4, 0.2, None)
    assert compare_runs(write(CALLS[:4]), write()).first == ValueGap("loss", 4, None, 0.2)
    moved = compare_runs(write(), write([*CALLS[:2], (CALLS[2][0], 7), *CALLS[3:]]))
    assert moved.first == ValueGap("loss", 2, 1 / 3, None)
    extra = [*CALLS, ({"more": 1.0}, 6)]
    assert compare_runs(write(), write(extra)).first == ValueGap("more", 6, None, 1.0)
    assert compare_runs(write(extra), write()).first == ValueGap("more", 6, 1.0, None)


def test_points_of_an_interrupted_original_are_compared(write: Write):
    verdict = compare_runs(write(CALLS[:4], "interrupted"), write())
    assert (verdict.word, verdict.points) == ("bit-equal", 8)
    assert verdict.remarks[0].startswith("the original run did not finish")
    failed = compare_runs(write(), write(CALLS[:4], "failed"))
    assert failed.remarks[-1].startswith("the repeated run did not finish")
    assert failed.sentence.startswith("could not be repeated: ")
    parted = compare_runs(write(), write([*CALLS[:2], (CALLS[2][0], 7)], "failed"))
    assert parted.first is not None


def test_up_to_a_step(write: Write):
    calls = [*CALLS[:3], ({"epoch/loss": 0.5}, 1), *CALLS[3:], ({"epoch/loss": 0.4}, 2)]
    original = write(calls)
    assert compare_runs(original, write(calls[:4]), steps=2).word == "bit-equal"
    # The second epoch's point bears a lower step than the last that was asked for; it came later.
    assert compare_runs(original, write(calls[:3]), steps=2).first == ValueGap("epoch/loss", 1, 0.5, None)
    assert compare_runs(original, write(calls[:4])).word == "parts"


def test_time_measures_and_ignored_metrics_are_not_compared(write: Write):
    timed = [({"loss": 1.0, "epoch_seconds": 3.0, "images_per_second": 5.0, "time/data": 1.0, "noise": 1.0}, 0)]
    other = [({"loss": 1.0, "epoch_seconds": 4.0, "images_per_second": 6.0, "time/data": 2.0, "noise": 2.0}, 0)]
    verdict = compare_runs(write(timed), write(other), ignore=["noi*"])
    assert verdict.word == "bit-equal"
    assert verdict.left_out == ["epoch_seconds", "images_per_second", "noise", "time/data"]
    assert compare_runs(write(timed), write(other)).first == ValueGap("noise", 0, 1.0, 2.0)


def test_usual_names_are_no_measures_of_time(write: Write):
    names = ["loss", "val/acc", "lr", "epoch", "timesteps", "reward", "dice", "f1", "seconds_order_loss", "grad_norm"]
    calls = [(dict.fromkeys(names, 1.0), 0)]
    assert compare_runs(write(calls), write(calls)).left_out == []
    assert all(pattern == pattern.lower() for pattern in TIME_METRICS)


def test_nothing_to_compare_is_no_verdict(write: Write):
    with pytest.raises(NotFound, match=r"nothing in run net .* can be compared"):
        compare_runs(write([({"time": 1.0}, 0)]), write([({"time": 2.0}, 0)]))


def test_checkpoints_are_compared_tensor_by_tensor(write: Write):
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(3, 2)
    moments = {0: {"exp_avg": torch.ones(3), "step": 4}}
    original = write(model=model, optimizer=moments, order=np.arange(4))
    same = compare_runs(original, write(model=model, optimizer=moments, order=np.arange(4)))
    assert (same.word, same.tensors) == ("bit-equal", 4)
    with torch.no_grad():
        model.bias[1] += 0.5
    parted = compare_runs(original, write(model=model, optimizer=moments, order=np.arange(4)))
    assert parted.word == "parts"
    assert parted.first is not None
    assert parted.first.metric == "last/model/bias"
    assert parted.first.step == 5
    other = compare_runs(original, write(model=torch.nn.Linear(4, 2), optimizer=moments, order=np.arange(4)))
    assert other.word == "parts"


def test_damaged_checkpoint_is_reported_and_points_are_compared(write: Write):
    torch = pytest.importorskip("torch")
    original, repeated = write(model=torch.nn.Linear(2, 2)), write(model=torch.nn.Linear(2, 2))
    for path in (repeated.folder / "checkpoints").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    verdict = compare_runs(original, repeated)
    assert (verdict.word, verdict.tensors) == ("bit-equal", 0)
    assert "checkpoint last was not compared" in verdict.remarks[0]


values = st.lists(st.floats(), min_size=1, max_size=6)


@given(values, values)
@example([1.2442966617778734e297], [-1.7976931348498728e308])
def test_two_lists_of_numbers_are_bit_equal_exactly_if_their_bits_are(one: list[float], other: list[float]):
    from runfolio.reproduce.verdict import _compare_metric, _CurvePoints  # the part that needs no files

    def points(values: list[float]) -> _CurvePoints:
        return _CurvePoints(np.arange(len(values)), np.arange(len(values), dtype=float), np.array(values))

    comparison = _compare_metric("loss", points(one), points(other), Tolerance(), open_end=False)
    assert (comparison.first is None) == ([repr(value) for value in one] == [repr(value) for value in other])
    if comparison.first_beyond is not None:
        assert comparison.first is not None
        assert comparison.first[0] <= comparison.first_beyond[0]
