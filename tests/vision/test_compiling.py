"""Training with compiled models."""

from __future__ import annotations

import shutil

import pytest
import torch

import runfolio
from runfolio.errors import ConfigError
from runfolio.vision import TrainSettings, run_experiment
from runfolio.vision.loop.epochs import evaluate, train_epoch
from runfolio.vision.loop.input_pipeline import InputPipeline
from runfolio.vision.loop.train_state import TrainState
from runfolio.vision.models import compiling
from runfolio.vision.prepare import prepare

from .interruption import PowerCut

SMALL = {"model": "mlp", "batch_size": 16, "watch": 2, "epochs": 2, "compile": True}
"""Settings with 115 images in batches of 16; the last one has 3 images."""


@pytest.fixture
def frames(monkeypatch) -> list[tuple[int, ...]]:
    """Record the shapes of compiled inputs, and run the captured code without a compiler."""
    shapes: list[tuple[int, ...]] = []

    def as_it_is(graph, examples):
        shapes.extend(tuple(example.shape) for example in examples if example.ndim == 4)
        return graph

    torch.compiler.reset()
    monkeypatch.setattr(compiling, "_BACKEND", as_it_is)
    return shapes


def test_only_whole_batches_are_compiled_once_per_mode(frames, tiny):
    preparation = prepare(tiny(**SMALL))
    state = TrainState(preparation)
    inputs = InputPipeline(preparation)

    for _ in range(3):
        with inputs.connect(state) as batches:
            train_epoch(state, batches.train, lambda loss: None)
            assert batches.val is not None
            evaluate(state, batches.val)
        state.step, state.epoch = 0, 0

    assert frames == [(16, 1, 8, 8)] * 2


def test_compiled_training_is_watched_saved_and_loaded(frames, store, tiny):
    folder = run_experiment(tiny(**SMALL), store=store)
    plain_folder = run_experiment(tiny(**SMALL | {"compile": False}), store=store)

    run, plain = (runfolio.open(store).run(trained) for trained in (folder, plain_folder))
    assert frames
    # A compiled model calls no hooks of its layers, so dead units are not counted.
    assert set(run.metrics) == {name for name in plain.metrics if not name.startswith("dead_units")}
    ours, theirs = (trained.checkpoint("last").tensors("model") for trained in (run, plain))
    assert ours.keys() == theirs.keys()
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(run.metric("grad_norm").values, plain.metric("grad_norm").values)


def test_training_without_a_compiler_is_refused_with_advice(monkeypatch, store):
    def lacking(graph, examples):
        raise RuntimeError("no C++ compiler found")

    torch.compiler.reset()
    monkeypatch.setattr(compiling, "_BACKEND", lacking)

    with pytest.raises(ConfigError, match=r"no C\+\+ compiler found.*; install .*, or leave out --compile"):
        run_experiment(TrainSettings(compile=True, device="cpu"), store=store)
    assert not store.exists()


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")
@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ here, which torch.compile needs on a CPU")
@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_resumed_compiled_training_gives_the_same_bits(store, tiny, precision):
    settings = tiny(**SMALL | {"dropout": 0.3, "checkpoint_steps": 3, "precision": precision})
    straight = run_experiment(settings, store=store / "straight")
    with pytest.raises(KeyboardInterrupt):
        run_experiment(settings, store=store / "cut", progress=PowerCut(5))
    torch.compiler.reset()

    (cut,) = runfolio.open(store / "cut").runs()
    run_experiment(resume=cut.id, store=store / "cut")

    runs = [runfolio.open(store / "straight").run(straight), runfolio.open(store / "cut").run(cut.id)]
    ours, theirs = (run.checkpoint("last").tensors("model") for run in runs)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    ours, theirs = (run.metric("batch/loss").values for run in runs)
    assert ours.tolist() == theirs.tolist()
