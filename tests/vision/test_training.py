"""Record of a training run."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from rich.progress import Progress

import runfolio
from runfolio.errors import ConfigError, NotFound
from runfolio.vision import TrainSettings, experiment, run_experiment
from runfolio.vision.loop.notices import TrainingWarning


@pytest.fixture
def train(store):
    """Return a function that trains with the settings and returns the recorded run."""

    def run(settings: TrainSettings, **options) -> runfolio.RecordedRun:
        folder = run_experiment(settings, store=store, **options)
        return runfolio.open(store).run(folder)

    return run


def texts(run: runfolio.RecordedRun) -> dict[str, str]:
    return {entry["name"]: entry["text"] for entry in media_of(run) if entry["kind"] == "text"}


def media_of(run: runfolio.RecordedRun) -> list[dict]:
    return [
        entry
        for path in sorted((run.folder / "media").glob("*.jsonl"))
        for entry in map(json.loads, path.read_text().splitlines())
        if "kind" in entry
    ]


def test_run_records_its_settings_and_finishes(trained):
    assert (trained.name, trained.experiment, trained.state) == ("tinyvgg-50pct-4ep", "digits", "finished")
    assert trained.config["hidden_units"] == 16
    assert trained.config["lr"] == 0.003


def test_each_epoch_logs_one_point_of_each_metric(trained):
    per_epoch = ["train/loss", "train/acc", "val/loss", "val/acc", "lr", "epoch_seconds", "images_per_second"]

    assert {name: trained.metric(name).steps.tolist() for name in per_epoch} == {
        name: [1, 2, 3, 4] for name in per_epoch
    }


def test_each_batch_logs_one_point_of_the_batch_loss(trained):
    batches = math.ceil(trained.flat_summary["train/images"] / 50)

    assert trained.metric("batch/loss").steps.tolist() == list(range(1, 4 * batches + 1))
    of_batches, of_epochs = trained.metric("batch/loss", "epoch"), trained.metric("val/acc")
    np.testing.assert_allclose(of_batches.x, np.arange(1, 4 * batches + 1) / batches)
    assert (of_epochs.x_name, of_epochs.x.tolist()) == ("epoch", [1, 2, 3, 4])
    assert trained.metric("val/acc", "samples").x.tolist() == [
        n * trained.flat_summary["train/images"] for n in (1, 2, 3, 4)
    ]


def test_epoch_loss_is_the_mean_over_images_not_batches(trained):
    images = trained.flat_summary["train/images"]
    batches = math.ceil(images / 50)
    sizes = np.full(batches, 50.0)
    sizes[-1] = images - 50 * (batches - 1)
    assert 0 < sizes[-1] < 50

    by_image = np.average(trained.metric("batch/loss").values[:batches], weights=sizes)

    assert trained.metric("train/loss").values[0] == pytest.approx(by_image, rel=1e-6)


def test_summary_has_the_columns_of_a_leaderboard(trained):
    results = trained.flat_summary

    assert results["chosen_by"] == "val/acc"
    assert results["val/acc"] == trained.metric("val/acc").values.max()
    assert results["best/epoch"] == trained.metric("val/acc").values.argmax() + 1
    assert results["val/loss"] == trained.metric("val/loss").values[results["best/epoch"] - 1]
    assert (results["train/images"], results["val/images"], results["test/images"]) == (576, 145, 359)
    assert results["parameters"] == results["trainable_parameters"] == results["size_mb"] * 1e6 / 4
    assert results["epoch_seconds"] == pytest.approx(np.median(trained.metric("epoch_seconds").values))
    assert 0 < results["predict_ms"] < 1000


def test_test_results_are_those_of_the_best_epoch(trained):
    best = trained.checkpoint("best")
    assert best.step == trained.flat_summary["best/epoch"] * math.ceil(trained.flat_summary["train/images"] / 50)

    confusion = np.array(trained.flat_summary["confusion"])

    assert confusion.sum() == 359
    assert trained.flat_summary["test/acc"] == pytest.approx(np.trace(confusion) / 359)
    assert trained.metric("test/acc").steps.tolist() == [trained.flat_summary["best/epoch"]]
    assert trained.metric("test/acc").values.tolist() == [trained.flat_summary["test/acc"]]


def test_record_has_architecture_confusion_and_classes(trained):
    said = texts(trained)

    assert said["architecture"].splitlines()[0].split() == ["layer", "type", "output", "parameters", "trainable"]
    assert [line.split()[0] for line in said["classes"].splitlines()] == ["class", *"0123456789"]
    assert [entry["name"] for entry in media_of(trained) if entry["kind"] == "figure"] == ["val/confusion", "confusion"]


def test_record_has_inputs_predictions_and_precision_recall_curves(trained):
    names = {
        kind: [entry["name"] for entry in media_of(trained) if entry["kind"] == kind] for kind in ("image", "pr_curve")
    }
    assert names["image"] == ["train/inputs", "val/predictions", "test/predictions"]
    assert names["pr_curve"] == [f"{part}/{digit}" for part in ("val", "test") for digit in range(10)]


def test_same_seed_gives_the_same_bits(train, tiny):
    once, again, other = (
        train(tiny(epochs=1, dropout=0.2, seed=seed, deterministic=True, schedule="constant")) for seed in (1, 1, 2)
    )

    assert weights(once) == weights(again)
    assert weights(once) != weights(other)
    assert not torch.are_deterministic_algorithms_enabled()


def test_deterministic_training_records_its_switches(train, tiny):
    recorded = train(tiny(epochs=1, deterministic=True))
    document = json.loads((recorded.folder / "run.json").read_text())
    switches = document["environment"]["torch"]
    assert document["seeds"]["deterministic"] is True
    assert (switches["deterministic_algorithms"], switches["cudnn_deterministic"]) == (True, True)
    assert (switches["cudnn_benchmark"], switches["cudnn_tf32"]) == (False, False)
    assert (switches["matmul_precision"], switches["cublas_workspace"]) == ("highest", ":4096:8")


def weights(run: runfolio.RecordedRun, name: str = "last") -> dict[str, list]:
    return {key: tensor.tolist() for key, tensor in run.checkpoint(name).tensors("model").items()}


def test_results_do_not_depend_on_the_number_of_workers(train, tiny):
    none, two = (train(tiny(dropout=0.2, workers=workers)) for workers in (0, 2))

    assert weights(none) == weights(two)


def test_each_epoch_can_be_tested(train, tiny):
    run = train(tiny(test_at="epoch"))

    assert run.metric("test/acc").steps.tolist() == [1, 2]
    assert run.flat_summary["test/acc"] == run.metric("test/acc").values[run.flat_summary["best/epoch"] - 1]


def test_without_validation_training_accuracy_chooses_the_epoch(train, tiny):
    with pytest.warns(TrainingWarning, match="the best epoch is chosen by train/acc"):
        run = train(tiny(val_fraction=0))

    assert run.flat_summary["chosen_by"] == "train/acc"
    assert run.flat_summary["val/images"] == 0
    assert "val/acc" not in run.metrics
    assert "train/acc" in texts(run)["notice"]


def test_requested_checkpoints_are_kept(train, tiny):
    run = train(tiny(epochs=3, lr=1e-2, checkpoint_steps=2, keep_every=4, keep_best=2))  # 4 steps per epoch

    steps = {path.stem: run.checkpoint(path.stem).step for path in (run.folder / "checkpoints").glob("*.json")}
    assert (steps["last"], steps["step-4"], steps["step-8"], steps["step-12"]) == (12, 4, 8, 12)
    assert {steps["best"], steps["best-2"]} < {4, 8, 12}
    assert run.checkpoint("step-4").state["training"]["epoch"] in (0, 1)


def test_nan_loss_is_recorded_and_reported_once(train, tiny):
    with pytest.warns(TrainingWarning, match="train/loss is nan, val/loss is nan; an --lr below") as warned:
        run = train(tiny(optimizer="sgd", lr=1e18, epochs=3))

    assert len(warned) == 1
    assert np.isnan(run.metric("train/loss").values).all()
    assert run.state == "finished"


@pytest.mark.parametrize("model", ["tinyvgg", "mlp"])
@pytest.mark.parametrize("optimizer", [{"optimizer": "sgd", "momentum": 0.9, "nesterov": True}, {"optimizer": "adamw"}])
def test_each_model_trains_with_each_optimizer(train, tiny, model, optimizer):
    run = train(tiny(model=model, warmup_epochs=0.5, label_smoothing=0.1, schedule="one-cycle", **optimizer))

    assert run.state == "finished"


def test_bfloat16_layers_train_too(train, tiny):
    assert train(tiny(precision="bf16", epochs=1)).state == "finished"


def test_progress_display_is_empty_after_a_training(train, tiny):
    seen = []

    class Watched(Progress):
        def update(self, task_id, **fields):
            seen.append(fields["description"])
            super().update(task_id, **fields)

    with Watched(disable=True) as progress:
        train(tiny(), name="watched", progress=progress)

    assert [text.split(" · ")[1] for text in seen] == ["epoch 1/2", "epoch 2/2", "testing"]
    assert "val/acc" in seen[-1]
    assert progress.tasks == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": "tinyvg"}, "no model 'tinyvg'; did you mean tinyvgg"),
        ({"data": "digit"}, "no data 'digit'; did you mean digits"),
    ],
)
def test_mistyped_name_leaves_no_run(store, tiny, wrong, message):
    with pytest.raises(NotFound, match=message):
        run_experiment(tiny(**wrong), store=store)

    assert not store.exists()


def test_failing_run_of_a_series_is_recorded(store, tiny):
    with pytest.raises(NotFound):
        experiment.run(tiny(model="tinyvg"), store=store, series={"name": "demo", "fingerprint": "f00"})

    (run,) = runfolio.open(store).runs()
    assert (run.state, run.document.series) == ("failed", {"name": "demo", "fingerprint": "f00"})


@pytest.mark.skipif(torch.cuda.is_available(), reason="only a machine without CUDA can refuse it")
def test_missing_device_is_refused(store, tiny):
    with pytest.raises(ConfigError, match="torch finds no CUDA device here; use --device auto or cpu"):
        run_experiment(tiny(device="cuda"), store=store)


def test_float16_is_refused_without_a_gpu(store, tiny):
    with pytest.raises(ConfigError, match="fp16, which needs a GPU; on a CPU use bf16 or 32"):
        run_experiment(tiny(precision="fp16"), store=store)


def test_nothing_to_train_is_refused(store):
    with pytest.raises(ConfigError, match="give settings, or a run to resume"):
        run_experiment(store=store)


def test_tinyvgg_learns_the_digits_with_default_settings(train):
    assert train(TrainSettings(epochs=10)).flat_summary["test/acc"] > 0.95


def test_results_survive_if_no_checkpoint_can_be_saved(store, tiny):
    class InTheWay(Progress):
        def add_task(self, *args, **fields):
            (folder,) = store.glob("digits/*")
            (folder / "checkpoints").write_text("a file where the folder should be")
            return super().add_task(*args, **fields)

    with InTheWay(disable=True) as progress:
        run_experiment(tiny(), store=store, progress=progress)

    (run,) = runfolio.open(store).runs()
    assert (run.state, run.flat_summary["best/epoch"]) == ("finished", 2)
    assert texts(run)["notice"].endswith("cannot be read, so the results are those of the last epoch")


def test_batches_of_one_image_are_refused_for_batch_norm(store, tiny):
    settings = tiny(model="resnet18", image_size=32, data_fraction=0.05, batch_size=1, watch=0)
    with pytest.raises(ConfigError, match="in batches of 1 end with such a batch; use a different --batch-size"):
        run_experiment(settings, store=store)
