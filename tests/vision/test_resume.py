"""Resumed training runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import runfolio
from runfolio.errors import ConfigError, NotFound
from runfolio.vision import TrainSettings, experiment, run_experiment

from .interruption import PowerCut


def interrupted(settings: TrainSettings, store: Path, after_batches: int) -> runfolio.RecordedRun:
    with pytest.raises(KeyboardInterrupt):
        run_experiment(settings, store=store, progress=PowerCut(after_batches))
    (run,) = runfolio.open(store).runs(state="interrupted")
    return run


# 115 training images: 4 batches per epoch.
MID_EPOCH_3 = 10

TIMES = {"epoch_seconds", "images_per_second", "predict_ms"}


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.3, "warmup_epochs": 0.5, "augment": "trivial"},
        {"optimizer": "sgd", "momentum": 0.9, "lr": 0.1, "schedule": "one-cycle", "workers": 1},
    ],
)
def test_resumed_training_ends_with_the_same_bits(store, tmp_path, tiny, settings):
    settings = tiny(epochs=4, test_at="epoch", **settings)
    straight = trained_without_a_stop(settings, tmp_path / "straight")
    stopped = interrupted(settings, store, MID_EPOCH_3)
    assert stopped.checkpoint("last").step == 8

    torch.manual_seed(1234)  # random numbers of the process must not matter
    folder = run_experiment(store=store, resume=stopped.id)
    resumed = runfolio.open(store).run(folder)

    assert resumed.folder == stopped.folder
    assert resumed.state == "finished"
    for name in ("last", "best"):
        ours, theirs = (run.checkpoint(name).tensors("model") for run in (resumed, straight))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert curves(resumed) == curves(straight)
    assert without_times(resumed.flat_summary) == without_times(straight.flat_summary)


def trained_without_a_stop(settings: TrainSettings, store: Path) -> runfolio.RecordedRun:
    folder = run_experiment(settings, store=store)
    return runfolio.open(store).run(folder)


def curves(run: runfolio.RecordedRun) -> dict[str, list]:
    return {
        name: list(zip(run.metric(name).steps.tolist(), run.metric(name).values.tolist(), strict=True))
        for name in run.metrics
        if name not in TIMES
    }


def without_times(results: dict) -> dict:
    return {name: value for name, value in results.items() if name not in TIMES}


def test_run_is_resumed_with_its_original_settings(store, tiny):
    stopped = interrupted(tiny(epochs=3, hidden_units=5), store, after_batches=5)

    experiment.run(tiny(epochs=99), store=store, resume=stopped.name)

    (run,) = runfolio.open(store).runs()
    assert run.metric("val/acc").steps.tolist() == [1, 2, 3]


def test_a_finished_run_is_not_resumed(trained):
    with pytest.raises(ConfigError, match=rf"run tinyvgg-50pct-4ep \({trained.id}\) is finished"):
        run_experiment(store=trained.folder.parent.parent, resume=trained.id)


def test_run_without_a_checkpoint_restarts_on_resume(store, tmp_path, tiny):
    straight = trained_without_a_stop(tiny(), tmp_path / "straight")
    stopped = interrupted(tiny(), store, after_batches=2)

    run_experiment(store=store, resume=stopped.id)

    (resumed,) = runfolio.open(store).runs()
    assert (resumed.id, resumed.state) == (stopped.id, "finished")
    assert curves(resumed) == curves(straight)
    assert without_times(resumed.flat_summary) == without_times(straight.flat_summary)


def test_run_of_another_script_is_not_restarted(store):
    runfolio.init("mine", store=store, config={"lr": 0.1, "epochs": 3}).finish("interrupted")

    with pytest.raises(ConfigError, match="was not made by `runfolio train`"):
        run_experiment(store=store, resume="mine")


def test_a_run_of_another_script_is_not_resumed(store):
    run = runfolio.init("mine", store=store)
    run.checkpoint(step=1, model=torch.nn.Linear(1, 1))
    run.finish("interrupted")

    with pytest.raises(ConfigError, match="was not made by `runfolio train`"):
        run_experiment(store=store, resume=run.id)


def test_unknown_run_is_refused_with_similar_names(trained):
    with pytest.raises(NotFound, match="did you mean tinyvgg-50pct-4ep"):
        run_experiment(store=trained.folder.parent.parent, resume="tinyvgg-50pct-5ep")
