"""Forks of training runs."""

from __future__ import annotations

import random

import pytest
import torch

import runfolio
from runfolio.errors import ConfigError, NotFound
from runfolio.query.explain.run_diff import diff
from runfolio.vision import Fork, TrainSettings, run_experiment
from runfolio.vision.loop.notices import TrainingWarning

from .interruption import PowerCut
from .photos import fill, picture

# 115 training images: 4 steps per epoch.
MID_EPOCH_2 = 6
TIMES = {"epoch_seconds", "images_per_second", "predict_ms"}


def train(store, settings: TrainSettings) -> runfolio.RecordedRun:
    folder = run_experiment(settings, store=store)
    return runfolio.open(store).run(folder)


def fork(parent: runfolio.RecordedRun, at: int | str = "last", **changes) -> runfolio.RecordedRun:
    store = parent.folder.parent.parent
    folder = run_experiment(fork=Fork.plan(parent, changes, at), store=store)
    return runfolio.open(store).run(folder)


def curves(run: runfolio.RecordedRun) -> dict[str, list]:
    return {
        name: list(zip(run.metric(name).steps.tolist(), run.metric(name).values.tolist(), strict=True))
        for name in run.metrics
        if name not in TIMES
    }


def rates(run: runfolio.RecordedRun) -> dict[int, float]:
    curve = run.metric("lr")
    return dict(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))


def tensors(run: runfolio.RecordedRun, name: str = "last") -> dict[str, torch.Tensor]:
    return run.checkpoint(name).tensors("model")


@pytest.fixture(scope="module")
def parent(tiny, tmp_path_factory: pytest.TempPathFactory) -> runfolio.RecordedRun:
    """Return a run of four epochs with four steps each, with checkpoints of each second step."""
    settings = tiny(epochs=4, dropout=0.3, augment="flip-crop", checkpoint_steps=2, keep_every=2)
    return train(tmp_path_factory.mktemp("forks"), settings)


@pytest.mark.parametrize("at", [MID_EPOCH_2, 8])
def test_fork_without_changes_ends_with_the_same_bits(parent, at: int):
    same = fork(parent, at)
    assert curves(same) == curves(parent)
    for name in ("last", "best"):
        ours, theirs = tensors(same, name), tensors(parent, name)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert {k: v for k, v in same.flat_summary.items() if k not in TIMES} == {
        k: v for k, v in parent.flat_summary.items() if k not in TIMES
    }
    assert same.document.lineage == {
        "kind": "fork",
        "run": parent.id,
        "name": parent.name,
        "checkpoint": f"step-{at}",
        "step": at,
    }


OTHERWISE = {"lr": 1e-3, "weight_decay": 0.1, "ema": 0.9, "dropout": 0.1, "epochs": 5}


def stopped_fork(parent: runfolio.RecordedRun, at: int, *, after: int, name: str) -> runfolio.RecordedRun:
    """Return a fork with different settings, interrupted after a number of steps."""
    store = parent.folder.parents[1]
    with pytest.raises(KeyboardInterrupt):
        run_experiment(fork=Fork.plan(parent, OTHERWISE, at), name=name, store=store, progress=PowerCut(after=after))
    return runfolio.open(store).run(name)


@pytest.mark.parametrize(
    ("at", "steps"), [(MID_EPOCH_2, 1), (8, 7)], ids=["before its first checkpoint", "behind others of its own"]
)
def test_interrupted_fork_resumes_with_its_settings_to_the_same_bits(parent, at: int, steps: int):
    random.seed()  # as in a new process
    straight = fork(parent, at, **OTHERWISE)
    stopped = stopped_fork(parent, at, after=steps, name=f"stopped-{steps}")
    random.seed()  # as in a new process
    run_experiment(resume=stopped.folder, store=parent.folder.parents[1])
    resumed = runfolio.open(parent.folder.parents[1]).run(stopped.id)
    assert (resumed.state, resumed.flat_config["lr"]) == ("finished", 1e-3)
    assert curves(resumed) == curves(straight)
    ours, theirs = tensors(resumed), tensors(straight)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert resumed.flat_summary["parameters"] == straight.flat_summary["parameters"]
    assert [entry.inherited for entry in resumed.document.attempts] == [parent.id, None, None]
    for one, other in [(parent, straight), (straight, resumed)]:
        assert diff(one, other).seeds == [], "both were begun with the same seed"


def test_fork_with_only_inherited_checkpoints_is_forked_again(parent):
    again = fork(stopped_fork(parent, 8, after=1, name="barely begun"))
    assert curves(again) == curves(fork(parent, 8, **OTHERWISE))


def test_new_learning_rate_and_schedule_apply_at_the_next_step(parent):
    other = fork(parent, 8, lr=1e-4, schedule="constant", epochs=5)
    before = rates(parent)
    assert rates(other) == {1: before[1], 2: before[2], 3: 1e-4, 4: 1e-4, 5: 1e-4}
    assert (other.flat_config["lr"], other.flat_config["epochs"], other.flat_config["dropout"]) == (1e-4, 5, 0.3)
    assert curves(other)["batch/loss"][:8] == curves(parent)["batch/loss"][:8]
    assert curves(other)["batch/loss"][8] == curves(parent)["batch/loss"][8]  # same weights
    assert curves(other)["batch/loss"][9] != curves(parent)["batch/loss"][9]


def test_forked_schedule_continues_at_its_step(parent):
    longer = fork(parent, 8, epochs=8)
    straight = train(longer.folder.parents[1], TrainSettings(**{**parent.config, "epochs": 8}))
    assert {epoch: rate for epoch, rate in rates(longer).items() if epoch > 2} == {
        epoch: rate for epoch, rate in rates(straight).items() if epoch > 2
    }


def test_fork_with_another_optimizer_warns_of_the_reset_state(parent):
    with pytest.warns(TrainingWarning, match="the optimizer's state is reset"):
        other = fork(parent, 8, optimizer="sgd", lr=0.1, momentum=0.9)
    state = other.checkpoint("last").state["optimizer"]["state"]
    assert all(set(entry) == {"momentum_buffer"} for entry in state.values())


def test_fork_can_start_or_stop_averaging(parent):
    averaged = fork(parent, 8, ema=0.9)
    weights = averaged.checkpoint("last").tensors("unaveraged")
    theirs = tensors(parent)
    assert all(torch.equal(weights[key], theirs[key]) for key in theirs)  # the average does not change training
    plain = fork(averaged, averaged.checkpoint("last").step or 0, ema=None, epochs=5)
    assert plain.checkpoint("last").parts == ["model"]
    assert len(curves(plain)["val/acc"]) == 5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 7}, "a fork keeps --seed 42: a different value would select other validation images"),
        (
            {"val_fraction": 0.5},
            "a fork keeps --val-fraction none: .* trained on some of them; train a new run, with --weights",
        ),
        ({"data_fraction": 0.2}, "a fork keeps --data-fraction 0.1"),
        (
            {"batch_size": 8},
            "a fork keeps --batch-size 32: a different value would change the number of steps per epoch",
        ),
        ({"data": "folder:photos"}, "a fork keeps --data digits: it uses the images of its parent"),
        ({"image_size": 16}, "a fork keeps --image-size none"),
        ({"weights": "DEFAULT"}, "a fork keeps --weights none: it starts with the weights of the checkpoint"),
        (
            {"model": "mlp"},
            "contains a different network than --model mlp .*: missing: layers.1.weight, .*; unexpected: ",
        ),
        ({"hidden_units": 8}, r"of a different shape: .*\(4x1x3x3 instead of 8x1x3x3\).*; a fork keeps the network"),
        ({"epochs": 1}, "has completed epoch 1 and --epochs is 1, so nothing is left to train; increase"),
        ({"lr": -1}, "lr is -1; it must be a number above 0"),
        ({"learning_rate": 1}, "unknown setting 'learning_rate'"),
    ],
)
def test_setting_that_a_fork_cannot_change_is_refused_with_reason(parent, changes, said):
    with pytest.raises(ConfigError, match=said):
        Fork.plan(parent, changes, 8)


def test_fork_that_would_stop_at_once_is_refused(tiny, store):
    stuck = train(store, tiny(epochs=2, lr=1e-30))  # later epochs are not better than the first
    with pytest.raises(ConfigError, match="epochs without improvement, and --patience 1 stops training there"):
        Fork.plan(stuck, {"patience": 1, "epochs": 9})
    assert Fork.plan(stuck, {"patience": 2, "epochs": 9})


def test_missing_checkpoint_is_refused_with_similar_names(parent):
    with pytest.raises(
        NotFound,
        match=r"no checkpoint of step 7 in .*; it has checkpoints of steps 2, 4, 6, 8.*; the nearest is 6",
    ):
        Fork.plan(parent, {}, 7)


def test_fork_on_changed_images_needs_permission(tiny, store, tmp_path):
    photos = fill(tmp_path / "food" / "train", {"ham": 6, "spam": 6})
    fill(tmp_path / "food" / "test", {"ham": 2, "spam": 2}, seed=50)
    settings = tiny(data=f"folder:{tmp_path / 'food'}", data_fraction=1.0, image_size=16, batch_size=4, epochs=1)
    begun = train(store, settings)
    picture(seed=99).save(photos / "ham" / "3.png")

    planned = Fork.plan(begun, {"epochs": 2})
    with pytest.raises(ConfigError, match=r"the images of run .* changed since it was started: 1 changed"):
        run_experiment(fork=planned, store=store)
    assert len(runfolio.open(store).runs()) == 1
    with pytest.warns(TrainingWarning, match="continues although its images changed"):
        run_experiment(fork=planned, changed_data=True, store=store)


def test_run_of_another_script_is_not_forked(store):
    with runfolio.init("mine", store=store) as run:
        run.checkpoint(step=1, model=torch.nn.Linear(1, 1))
        run.restore()
    recorded = runfolio.open(store).run(run.id)
    with pytest.raises(ConfigError, match=rf"was not made by `runfolio train`; .* runfolio.fork\('{run.id}'\)"):
        Fork.plan(recorded, {})


def test_command_makes_a_fork_and_prints_its_results(parent, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from runfolio.cli import main

    monkeypatch.chdir(tmp_path)
    store = ["--store", str(parent.folder.parents[1])]
    words = ["fork", parent.id, "--at", "12", "--lr", "1e-4", "--name", "slower", *store]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "Epoch " in done.output
    shown = CliRunner().invoke(main, ["show", "slower", *store]).output
    assert f"forked from {parent.name} ({parent.id}) at step 12, checkpoint step-12; " in shown
    refused = CliRunner().invoke(main, ["fork", parent.id, "--seed", "3", *store])
    assert (refused.exit_code, "a fork keeps --seed 42" in refused.output) == (2, True)
