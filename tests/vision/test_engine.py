"""Training steps: accumulation, clipping, averaged weights, mixed images, early stopping."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import runfolio
from runfolio.vision import evaluate, run_experiment
from runfolio.vision.evaluation.loading import load
from runfolio.vision.loop.averaging import WeightAverage
from runfolio.vision.loop.early_stopping import EarlyStopping
from runfolio.vision.loop.epochs import evaluate as evaluate_state
from runfolio.vision.loop.epochs import train_epoch
from runfolio.vision.loop.input_pipeline import InputPipeline
from runfolio.vision.loop.mixing import Mixing
from runfolio.vision.loop.train_state import UNAVERAGED, TrainState
from runfolio.vision.prepare import Preparation, prepare

EXACT = {"optimizer": "sgd", "lr": 0.1, "schedule": "constant", "batch_size": 23, "seed": 3}
"""Settings with 115 images in five equal batches, and an optimizer whose steps show the gradients."""


def in_precision(precision: str, preparation: Preparation) -> Preparation:
    """Return the preparation in a precision that `prepare` may refuse. A CPU computes fp16, but slowly."""
    return replace(preparation, settings=replace(preparation.settings, precision=precision))


@pytest.fixture
def trained_once(tiny):
    """Train one epoch, and return its state and the loss of each step."""

    def train(precision: str = "32", **settings) -> tuple[TrainState, list[float]]:
        torch.manual_seed(3)
        preparation = in_precision(precision, prepare(tiny(**EXACT | settings)))
        state = TrainState(preparation)
        losses: list[float] = []
        with InputPipeline(preparation).connect(state) as batches:
            train_epoch(state, batches.train, lambda loss: losses.append(loss.item()))
        return state, losses

    return train


def weights_of(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("batches", [[23, 5], [46, 2], [10, 5], [13, 9], [115, 2]])
def test_accumulated_batches_equal_one_larger_batch(trained_once, batches):
    size, accumulate = batches

    several, losses = trained_once(batch_size=size, accumulate=accumulate)
    one, expected = trained_once(batch_size=size * accumulate)

    assert several.step == one.step == several.steps_per_epoch == math.ceil(115 / (size * accumulate))
    assert losses == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(weights_of(several.model), weights_of(one.model), rtol=1e-3, atol=1e-5)
    assert several.progress == one.progress


class Reads(TorchDispatchMode):
    """Counter of reads of numbers from tensors, which wait for a GPU."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **kwargs or {})


def test_no_number_is_read_from_the_device_before_the_epoch_ends(tiny):
    def reads(batch_size: int) -> int:
        preparation = prepare(
            tiny(**EXACT | {"batch_size": batch_size}, clip=1, ema=0.9, accumulate=2, label_smoothing=0.1)
        )
        state = TrainState(preparation)
        inputs = InputPipeline(preparation)
        losses: list[torch.Tensor] = []
        with Reads() as read, inputs.connect(state) as batches:
            train_epoch(state, batches.train, losses.append)
            assert batches.val is not None
            evaluate_state(state, batches.val)
        assert len(losses) == state.steps_per_epoch
        return read.count

    with Reads() as read:
        torch.ones(()).item()
        float(torch.ones(()))
    assert read.count == 2
    assert reads(batch_size=5) == reads(batch_size=60)


def test_schedules_count_optimizer_steps(trained_once):
    state, losses = trained_once(accumulate=2, schedule="cosine", epochs=2)

    assert (state.steps_per_epoch, len(losses)) == (3, 3)
    assert state.rate(3) == state.optimizer.param_groups[0]["lr"] == pytest.approx(0.1 / 2)
    assert state.rate(6) == 0


@pytest.mark.parametrize("precision", ["32", "bf16", "fp16"])
def test_step_is_limited_by_the_clipped_gradient(trained_once, precision):
    free, _ = trained_once(precision, batch_size=115)
    clipped, _ = trained_once(precision, batch_size=115, clip=0.01)
    start = weights_of(trained_once(batch_size=115, lr=1e-30)[0].model)

    steps = [weights_of(state.model) - start for state in (free, clipped)]

    assert steps[0].norm() > 0.1 * 0.02
    assert steps[1].norm() == pytest.approx(0.1 * 0.01, rel=1e-3)
    torch.testing.assert_close(steps[1] / steps[1].norm(), steps[0] / steps[0].norm(), rtol=1e-3, atol=1e-4)


def test_overflowing_gradients_in_fp16_skip_the_step_and_lower_the_scale(tiny):
    preparation = in_precision("fp16", prepare(tiny(**EXACT)))
    state = TrainState(preparation)
    scales = iter([2.0**40, 2.0**10, 2.0**10, 2.0**10, 2.0**10])
    weights: list[torch.Tensor] = []
    lowered: list[bool] = []

    def on_step(loss: torch.Tensor) -> None:
        weights.append(weights_of(state.model))
        lowered.append(state.scaler.get_scale() == 2.0**39)
        state.scaler.load_state_dict(state.scaler.state_dict() | {"scale": next(scales)})

    with InputPipeline(preparation).connect(state) as batches:
        train_epoch(state, batches.train, on_step)

    skipped = [torch.equal(before, after) for before, after in itertools.pairwise(weights)]
    assert lowered[1:] == skipped == [True, False, False, False]
    assert state.step == 5


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_results_computed_in_16_bits_are_float32(tiny, precision, dtype):
    preparation = in_precision(precision, prepare(tiny(**EXACT)))
    state = TrainState(preparation)

    logits = state.predict_forward(InputPipeline(preparation).example())

    assert logits.dtype == torch.float32
    assert torch.equal(logits, logits.to(dtype).float())


@given(decay=st.floats(0.01, 0.99), steps=st.integers(1, 5))
def test_average_decays_and_copies_counts(decay, steps):
    linear, norm = nn.Linear(2, 2), nn.BatchNorm1d(2)
    model = nn.Sequential(linear, norm)
    average = WeightAverage(model, decay)
    expected = {key: value.clone() for key, value in model.state_dict().items()}
    for _ in range(steps):
        with torch.no_grad():
            linear.weight += 1
        model(torch.randn(8, 2))
        average.update()
        for key, value in model.state_dict().items():
            expected[key] = decay * expected[key] + (1 - decay) * value if value.is_floating_point() else value.clone()

    torch.testing.assert_close(dict(average.model.state_dict()), expected)
    assert average.model.state_dict()["1.num_batches_tracked"] == steps


def test_validation_test_and_prediction_use_the_averaged_weights(store, tiny):
    folder = run_experiment(tiny(ema=0.9, epochs=2), store=store)
    run = runfolio.open(store).run(folder)
    last = run.checkpoint("last")

    assert sorted(last.parts) == ["model", UNAVERAGED]
    averaged, unaveraged = last.tensors("model"), last.tensors(UNAVERAGED)
    assert not any(torch.equal(averaged[key], unaveraged[key]) for key in averaged)
    best = run.checkpoint("best").tensors("model")
    predicting = run.load_model().state_dict()
    assert all(torch.equal(predicting[key], best[key]) for key in best)
    again = evaluate(load(run.checkpoint("best")), prepare(tiny()).source, "test")
    assert again.accuracy == run.flat_summary["test/acc"]


@pytest.mark.parametrize("ways", [{"mixup": 0.4, "cutmix": 0}, {"mixup": 0, "cutmix": 1}, {"mixup": 0.4, "cutmix": 1}])
def test_mixing_depends_only_on_seed_epoch_and_batch(ways):
    images, labels = torch.rand(8, 1, 6, 6), torch.arange(8) % 3

    def mixed(seed=1, epoch=0, batch=0):
        return Mixing(**ways, classes=3, seed=seed)(images, labels, epoch=epoch, batch=batch)

    torch.manual_seed(1)
    once = mixed()
    before = torch.get_rng_state()
    again = mixed()

    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one, other) for one, other in zip(once, again, strict=True))
    for other in (mixed(seed=2), mixed(epoch=1), mixed(batch=1)):
        assert not torch.equal(once[0], other[0])


def test_labels_are_mixed_like_their_images():
    images = torch.eye(3)[torch.arange(6) % 3].reshape(6, 3, 1, 1).expand(6, 3, 8, 8)  # the label equals the colour

    for batch in range(10):
        mixed, shares = Mixing(mixup=1, cutmix=1, classes=3, seed=0)(images, torch.arange(6) % 3, epoch=0, batch=batch)
        torch.testing.assert_close(mixed.mean(dim=(2, 3)), shares)


def test_batch_is_unchanged_without_mixing():
    images, labels = torch.rand(4, 1, 2, 2), torch.arange(4)

    mixed, targets = Mixing(mixup=0, cutmix=0, classes=4, seed=0)(images, labels, epoch=0, batch=0)

    assert mixed is images
    assert targets is labels


def test_mixed_training_learns_and_validates_on_original_images(store, tiny):
    folder = run_experiment(
        tiny(mixup=0.2, cutmix=1, hidden_units=16, data_fraction=1, epochs=3, label_smoothing=0.1), store=store
    )

    run = runfolio.open(store).run(folder)
    assert run.flat_summary["val/acc"] > 0.8
    assert 0 < run.flat_summary["train/acc"] < 1


@given(values=st.lists(st.sampled_from([0.1, 0.2, 0.3, math.nan]), min_size=1, max_size=12), patience=st.integers(1, 4))
def test_patience_counts_epochs_after_the_best_one(values, patience):
    stopping = EarlyStopping(patience)
    for number, value in enumerate(values, start=1):
        stopping.update(value)
        so_far = np.array(values[:number])
        behind = number - 1 - np.nanargmax(so_far) if not np.isnan(so_far).all() else number
        assert stopping.waited == behind
        assert stopping.is_due == (behind >= patience)


def test_training_without_improvement_stops_with_a_reason(store, tiny):
    folder = run_experiment(tiny(lr=1e-30, epochs=50, patience=2), store=store)

    run = runfolio.open(store).run(folder)
    assert run.metric("val/acc").steps.tolist() == [1, 2, 3]
    assert run.flat_summary["best/epoch"] == 1
    assert run.state == "finished"
    assert run.document.status.reason == "stopped after epoch 3 of 50: val/acc did not improve for 2 epochs"
