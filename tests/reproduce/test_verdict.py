"""What two records come to, beside each other: bit-equal, within tolerance, or where they part."""

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
from runfolio.reproduce.verdict import TIMED, Gap, Tolerance, judge

Write = Callable[..., RecordedRun]
CALLS = [({"loss": 1.0 / (step + 1), "lr": 0.1}, step) for step in range(6)]


@pytest.fixture
def write(store: Path) -> Write:
    """Write a run of these log calls (values, step), and what its checkpoint holds."""

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


def changed(place: int, **values: float) -> list[tuple[Mapping[str, float], int]]:
    """The calls, one of them with other values."""
    return [*CALLS[:place], ({**CALLS[place][0], **values}, CALLS[place][1]), *CALLS[place + 1 :]]


def test_the_same_points_are_bit_equal(write: Write):
    verdict = judge(write(), write())
    assert (verdict.word, verdict.first, verdict.largest) == ("bit-equal", None, None)
    assert verdict.sentence == "bit-equal: 12 points of 2 metrics were compared."


def test_one_metric_is_one(write: Write):
    calls = [({"loss": 1.0}, 0)]
    assert judge(write(calls), write(calls)).sentence == "bit-equal: 1 point of 1 metric was compared."


def test_a_last_bit_is_within_tolerance(write: Write):
    verdict = judge(write(), write(changed(2, loss=np.nextafter(1 / 3, 1))))
    assert verdict.word == "within tolerance"
    assert verdict.first == verdict.largest == Gap("loss", 2, 1 / 3, float(np.nextafter(1 / 3, 1)))
    assert "within tolerance (rtol 1e-05, atol 1e-08): the largest difference is 5.55e-17, of loss at step 2" in (
        verdict.sentence
    )


def test_it_parts_where_a_point_is_beyond_the_tolerance(write: Write):
    other = changed(2, loss=0.3333333)
    assert judge(write(), write(other)).word == "within tolerance"
    verdict = judge(write(), write(other), tolerance=Tolerance(1e-9, 0))
    assert verdict.sentence.startswith("parts at step 2: loss was 0.3333333333333333 and is 0.3333333; 12 points")


def test_of_several_metrics_the_one_that_came_first_counts(write: Write):
    verdict = judge(
        write(), write([*CALLS[:3], ({"loss": 9.0, "lr": 0.1}, 3), ({"loss": 9.0, "lr": 9.0}, 4), CALLS[5]])
    )
    assert verdict.first == Gap("loss", 3, 0.25, 9.0)
    assert verdict.largest == Gap("lr", 4, 0.1, 9.0)


def test_nan_is_nan_and_minus_zero_is_not_zero(write: Write):
    odd = changed(1, loss=math.nan, lr=0.0)
    assert judge(write(odd), write(odd)).word == "bit-equal"
    assert judge(write(odd), write(changed(1, loss=math.nan, lr=-0.0))).word == "within tolerance"
    assert judge(write(), write(changed(1, loss=math.nan))).word == "parts"
    assert judge(write(changed(1, loss=math.inf)), write(changed(1, loss=math.inf))).word == "bit-equal"
    assert judge(write(changed(1, loss=math.inf)), write(changed(1, loss=-math.inf))).word == "parts"


def test_missing_points_extra_points_and_other_steps_part(write: Write):
    assert judge(write(), write(CALLS[:4])).first == Gap("loss", 4, 0.2, None)
    assert judge(write(CALLS[:4]), write()).first == Gap("loss", 4, None, 0.2)
    moved = judge(write(), write([*CALLS[:2], (CALLS[2][0], 7), *CALLS[3:]]))
    assert moved.first == Gap("loss", 2, 1 / 3, None)
    extra = [*CALLS, ({"more": 1.0}, 6)]
    assert judge(write(), write(extra)).first == Gap("more", 6, None, 1.0)
    assert judge(write(extra), write()).first == Gap("more", 6, 1.0, None)


def test_what_an_interrupted_original_has_is_compared(write: Write):
    verdict = judge(write(CALLS[:4], "interrupted"), write())
    assert (verdict.word, verdict.points) == ("bit-equal", 8)
    assert verdict.remarks[0].startswith("the original did not come to its end")
    assert judge(write(), write(CALLS[:4], "failed")).remarks[-1].startswith("the repeated run did not come to its end")


def test_up_to_a_step(write: Write):
    calls = [*CALLS[:3], ({"epoch/loss": 0.5}, 1), *CALLS[3:], ({"epoch/loss": 0.4}, 2)]
    original = write(calls)
    assert judge(original, write(calls[:4]), steps=2).word == "bit-equal"
    # The second epoch's point bears a lower step than the last that was asked for; it came later.
    assert judge(original, write(calls[:3]), steps=2).first == Gap("epoch/loss", 1, 0.5, None)
    assert judge(original, write(calls[:4])).word == "parts"


def test_measures_of_time_and_what_is_to_be_ignored_are_left_out(write: Write):
    timed = [({"loss": 1.0, "epoch_seconds": 3.0, "images_per_second": 5.0, "time/data": 1.0, "noise": 1.0}, 0)]
    other = [({"loss": 1.0, "epoch_seconds": 4.0, "images_per_second": 6.0, "time/data": 2.0, "noise": 2.0}, 0)]
    verdict = judge(write(timed), write(other), ignore=["noi*"])
    assert verdict.word == "bit-equal"
    assert verdict.left_out == ["epoch_seconds", "images_per_second", "noise", "time/data"]
    assert judge(write(timed), write(other)).first == Gap("noise", 0, 1.0, 2.0)


def test_usual_names_are_no_measures_of_time(write: Write):
    names = ["loss", "val/acc", "lr", "epoch", "timesteps", "reward", "dice", "f1", "seconds_order_loss", "grad_norm"]
    calls = [(dict.fromkeys(names, 1.0), 0)]
    assert judge(write(calls), write(calls)).left_out == []
    assert all(pattern == pattern.lower() for pattern in TIMED)


def test_nothing_to_compare_is_no_verdict(write: Write):
    with pytest.raises(NotFound, match=r"nothing of run net .* can be compared"):
        judge(write([({"time": 1.0}, 0)]), write([({"time": 2.0}, 0)]))


def test_checkpoints_are_compared_tensor_by_tensor(write: Write):
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(3, 2)
    moments = {0: {"exp_avg": torch.ones(3), "step": 4}}
    original = write(model=model, optimizer=moments, order=np.arange(4))
    same = judge(original, write(model=model, optimizer=moments, order=np.arange(4)))
    assert (same.word, same.tensors) == ("bit-equal", 4)
    with torch.no_grad():
        model.bias[1] += 0.5
    parted = judge(original, write(model=model, optimizer=moments, order=np.arange(4)))
    assert parted.word == "parts"
    assert parted.first is not None
    assert parted.first.metric == "last/model/bias"
    assert parted.first.step == 5
    other = judge(original, write(model=torch.nn.Linear(4, 2), optimizer=moments, order=np.arange(4)))
    assert other.word == "parts"


def test_a_damaged_checkpoint_is_told_and_the_points_are_compared(write: Write):
    torch = pytest.importorskip("torch")
    original, repeated = write(model=torch.nn.Linear(2, 2)), write(model=torch.nn.Linear(2, 2))
    for path in (repeated.folder / "checkpoints").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    verdict = judge(original, repeated)
    assert (verdict.word, verdict.tensors) == ("bit-equal", 0)
    assert "checkpoint last was not compared" in verdict.remarks[0]


values = st.lists(st.floats(), min_size=1, max_size=6)


@given(values, values)
@example([1.2442966617778734e297], [-1.7976931348498728e308])
def test_two_lists_of_numbers_are_bit_equal_exactly_if_their_bits_are(one: list[float], other: list[float]):
    from runfolio.reproduce.verdict import _compare, _Points  # the part that needs no files

    def points(values: list[float]) -> _Points:
        return _Points(np.arange(len(values)), np.arange(len(values), dtype=float), np.array(values))

    found = _compare("loss", points(one), points(other), Tolerance(), open_end=False)
    assert (found.first is None) == ([repr(value) for value in one] == [repr(value) for value in other])
    if found.parting is not None:
        assert found.first is not None
        assert found.first[0] <= found.parting[0]
