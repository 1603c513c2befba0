"""Measured batch sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runfolio
from runfolio.errors import ConfigError
from runfolio.tracking.process.reproduction import Reproduction
from runfolio.vision import TrainSettings, run_experiment
from runfolio.vision.loop.notices import TrainingWarning
from runfolio.vision.prepare import prepare
from runfolio.vision.tuning.batch_size import fastest, powers_of_two, resolve_batch_size


@given(images=st.integers(2, 100_000))
def test_candidate_batch_sizes_leave_several_steps_per_epoch(images):
    sizes = powers_of_two(images)

    assert sizes == sorted(set(sizes))
    assert all(size & (size - 1) == 0 for size in sizes)
    if images >= 40:
        assert all(images // size >= 5 for size in sizes)
    assert all(images % size != 1 for size in sizes) or images % 2 == 1


def test_smallest_of_about_equally_fast_sizes_is_chosen():
    assert fastest({8: 100, 16: 190, 32: 290, 64: 300, 128: 280}) == 32
    assert fastest({8: 300, 16: 100}) == 8


def test_run_records_the_found_batch_size_and_the_search(tiny, tmp_path):
    store = tmp_path / "runs"
    with pytest.warns(TrainingWarning, match="batch-size auto is"):
        folder = run_experiment(tiny(batch_size="auto", epochs=1, watch=0, tensorboard=False), store=store)

    run = runfolio.open(store).run(folder)
    assert run.config["batch_size"] in (8, 16)
    (notice,) = [entry.content["text"] for entry in run.media("text") if entry.name == "notice"]
    assert f"batch-size auto is {run.config['batch_size']} (measured images/s by size: " in notice
    assert len(run.metric("batch/loss").values) == -(-115 // run.config["batch_size"])


def test_training_with_the_measured_size_gives_the_same_bits(tiny, tmp_path):
    store = tmp_path / "runs"
    settings = {"epochs": 1, "watch": 0, "tensorboard": False, "model": "mlp", "dropout": 0.2}
    with pytest.warns(TrainingWarning):
        run = runfolio.open(tmp_path).run(run_experiment(tiny(batch_size="auto", **settings), store=store))
    given = run_experiment(tiny(batch_size=run.config["batch_size"], **settings), store=store)

    other = runfolio.open(store).run(given)
    assert run.metric("batch/loss").values.tolist() == other.metric("batch/loss").values.tolist()
    assert run.config == other.config


def test_batch_size_does_not_depend_on_seed_or_learning_rate(tiny):
    first, sentence = resolve_batch_size(prepare(tiny(batch_size="auto", model="mlp")))
    second, told_again = resolve_batch_size(prepare(tiny(batch_size="auto", model="mlp", seed=7, lr=0.1)))

    assert sentence == told_again
    assert second.settings.seed == 7
    assert first.settings.batch_size == second.settings.batch_size


def test_batch_size_is_measured_again_for_other_preprocessing(tiny):
    _, sentence = resolve_batch_size(prepare(tiny(batch_size="auto", model="mlp")))
    _, augmented = resolve_batch_size(prepare(tiny(batch_size="auto", model="mlp", augment="trivial")))

    assert sentence != augmented


def test_repeated_run_uses_the_recorded_batch_size(tiny, tmp_path, monkeypatch):
    folder = run_experiment(tiny(batch_size=10, epochs=1), store=tmp_path / "runs")
    had = runfolio.open(tmp_path / "runs").run(folder)
    for name, value in Reproduction(had.id, had.name, tmp_path / "runs").environment().items():
        monkeypatch.setenv(name, value)

    repeated, _ = resolve_batch_size(prepare(tiny(batch_size="auto")))

    assert repeated.settings.batch_size == 10


def test_batch_size_must_be_a_number_or_auto():
    assert TrainSettings(batch_size="AUTO").batch_size == "auto"
    assert TrainSettings(batch_size="64").batch_size == 64
    with pytest.raises(ConfigError, match="it must be a whole number at least 1 or auto"):
        TrainSettings(batch_size="large")
