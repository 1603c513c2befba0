"""Initial weights: published weights, files, and weights of earlier runs."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.progress import Progress
from safetensors.torch import save_file
from torch import nn

import runfolio
from runfolio.errors import ConfigError, DamagedFile, NotFound
from runfolio.vision import TrainSettings, experiment, run_experiment
from runfolio.vision._torchvision import models
from runfolio.vision.data.transform import ImageTransform
from runfolio.vision.evaluation.loading import load
from runfolio.vision.models import ModelSpec, build_model, current_names
from runfolio.vision.models.head import head_keys
from runfolio.vision.models.initial_weights import load_initial_weights
from runfolio.vision.prepare import prepare

from .photos import fill

NAME = "shufflenet_v2_x0_5"
"""Smallest network of torchvision, with many BatchNorm layers."""

Tensors = dict[str, torch.Tensor]


def trained_tensors(name: str = NAME, classes: int = 1000) -> Tensors:
    """Return weights and statistics that all differ from their initial values."""
    torch.manual_seed(0)
    spec = ModelSpec(name=name, channels=3, height=64, width=64, classes=classes, hidden_units=4)
    tensors = build_model(spec).state_dict()
    for key, tensor in tensors.items():
        if key.endswith(("running_mean", "running_var")):
            tensors[key] = torch.rand_like(tensor) + 0.5
    return tensors


@pytest.fixture(scope="module")
def published() -> Tensors:
    """Return tensors for 1000 classes, like the files of torchvision."""
    return trained_tensors()


@pytest.fixture
def file(published, tmp_path) -> Path:
    path = tmp_path / "weights.pth"
    torch.save(published, path)
    return path


@pytest.fixture
def small(tiny):
    """Return a function that creates settings for training the network on a few small images."""

    def make(**changes) -> TrainSettings:
        return tiny(**{"model": NAME, "image_size": 32, "epochs": 2, "batch_size": 64} | changes)

    return make


def refusal_of(settings: TrainSettings, error: type[Exception], store: Path | None = None) -> str:
    with pytest.raises(error) as refused:
        prepare(settings, store=store)
    return str(refused.value)


def trained_run(settings: TrainSettings, store: Path) -> runfolio.RecordedRun:
    folder = run_experiment(settings, store=store)
    return runfolio.open(store).run(folder)


@pytest.mark.parametrize("kind", ["state dict", "in a checkpoint", "old file", "safetensors"])
def test_weights_file_initialises_all_but_the_head(published, small, tmp_path, kind):
    path = tmp_path / ("weights.safetensors" if kind == "safetensors" else "weights.pt")
    if kind == "safetensors":
        save_file(published, path)
    else:
        content = {"epoch": 3, "state_dict": published} if kind == "in a checkpoint" else published
        torch.save(content, path, _use_new_zipfile_serialization=kind != "old file")

    preparation = prepare(small(weights=str(path)))

    model = preparation.network()
    heads = head_keys(model)
    assert heads == {"fc.weight", "fc.bias"}
    tensors = model.state_dict()
    assert all(torch.equal(tensors[key], published[key]) for key in tensors if key not in heads)
    assert tensors["fc.weight"].shape == (10, 1024)


def test_preprocessing_follows_the_weights_unless_flags_override_it(file, tiny):
    def transform(**flags):
        return prepare(tiny(model=NAME, weights=str(file), **flags)).transform

    own = transform()
    assert (own.channels, own.height, own.width, own.resize) == (3, 224, 224, 256)
    assert own.mean == transform(normalize="imagenet").mean == (0.485, 0.456, 0.406)
    smaller = transform(image_size=112, normalize="none")
    assert (smaller.height, smaller.resize, smaller.mean, smaller.std) == (112, 128, (0.0,) * 3, (1.0,) * 3)
    source = prepare(tiny()).source
    assert transform(normalize="data").mean == source.mean * 3
    fresh = prepare(tiny(model=NAME, image_size=32)).transform
    assert (fresh.channels, fresh.height, fresh.resize, fresh.std) == (3, 32, None, source.std * 3)


def test_keys_that_do_not_fit_are_named_by_kind(published, small, tmp_path):
    broken = dict(published)
    broken["stray"] = broken.pop("conv1.0.weight")
    broken["conv5.0.weight"] = torch.zeros(2, 3)
    torch.save(broken, tmp_path / "broken.pth")

    assert refusal_of(small(weights=str(tmp_path / "broken.pth")), ConfigError) == (
        f"{tmp_path / 'broken.pth'} does not fit model {NAME}: missing: conv1.0.weight; unexpected: stray; "
        "of a different shape: conv5.0.weight (2x3 instead of 1024x192x1x1)"
    )


def test_only_a_few_of_many_wrong_keys_are_named(file, small):
    said = refusal_of(small(model="resnet18", weights=str(file)), ConfigError)

    assert "does not fit model resnet18: missing: conv1.weight, bn1.weight, bn1.bias, bn1.running_mean and " in said
    assert "\n" not in said


class Marked:
    """Object that creates a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self):
        return (Path.touch, (self._mark,))


@pytest.mark.parametrize("how", ["a torch.save archive", "a pickle"])
def test_file_that_would_run_code_is_refused(small, tmp_path, how):
    path, mark = tmp_path / "evil.pth", tmp_path / "mark"
    if how == "a pickle":
        path.write_bytes(pickle.dumps(Marked(mark)))
    else:
        torch.save({"weight": torch.zeros(1), "more": Marked(mark)}, path)

    said = refusal_of(small(weights=str(path)), DamagedFile)

    assert said.startswith(f"{path} is {how} that would import ")
    assert "pathlib.Path" in said
    assert said.endswith("weights must be plain tensors: save `model.state_dict()`, or a safetensors file")
    assert not mark.exists()


def test_a_whole_pickled_module_is_refused(small, tmp_path):
    torch.save(nn.Linear(1, 1), tmp_path / "module.pth")

    said = refusal_of(small(weights=str(tmp_path / "module.pth")), DamagedFile)

    assert "torch.nn.modules.linear.Linear" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([torch.zeros(1)], "contains a list; weights must be a `state_dict` of tensors by name"),
        ({}, "contains a dict; weights must be a `state_dict`"),
        ({"epoch": 3}, "contains 'epoch', a int; weights must be plain tensors by name"),
        ({"w": torch.zeros(2, 2).to_sparse()}, "contains 'w', a Tensor; weights must be plain tensors by name"),
    ],
)
def test_file_without_weights_is_refused(small, tmp_path, content, said):
    torch.save(content, tmp_path / "odd.pth")

    assert said in refusal_of(small(weights=str(tmp_path / "odd.pth")), DamagedFile)


def test_truncated_or_missing_file_is_named(file, small, tmp_path):
    file.write_bytes(file.read_bytes()[:-500])
    (tmp_path / "text.pth").write_text("not weights at all")
    (tmp_path / "empty.safetensors").touch()

    assert f"{file} cannot be read as weights" in refusal_of(small(weights=str(file)), DamagedFile)
    for name in ("text.pth", "empty.safetensors"):
        assert name in refusal_of(small(weights=str(tmp_path / name)), DamagedFile)
    assert refusal_of(small(weights="gone.pth"), NotFound) == "no weights file gone.pth; check the path"


def test_published_weights_are_read_from_the_torch_cache(published, small, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / "shufflenetv2_x0.5-f707e7126e.pth"
    cached.parent.mkdir(parents=True)
    torch.save(published, cached)

    preparation = prepare(small(weights="DEFAULT"))

    assert torch.equal(preparation.network().state_dict()["conv1.0.weight"], published["conv1.0.weight"])
    cached.write_bytes(cached.read_bytes()[:-500])
    assert f"{cached} is damaged" in refusal_of(small(weights="DEFAULT"), DamagedFile)


def test_offline_message_says_where_to_put_the_weights(small, store, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no server listens there

    with pytest.raises(NotFound) as refused:
        run_experiment(small(weights="DEFAULT"), store=store)

    assert str(refused.value).startswith(f"cannot download the weights of {NAME} from ")
    assert str(refused.value).endswith("go online, put the file there, or give a different file with --weights FILE")
    assert not store.exists()


def test_own_networks_have_no_published_weights(tiny):
    assert "tinyvgg has no published weights" in refusal_of(tiny(weights="DEFAULT"), ConfigError)


def test_published_names_of_densenets_are_converted():
    today = trained_tensors("densenet121", classes=3)
    old = {
        key.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2.") if "denselayer" in key else key: tensor
        for key, tensor in today.items()
    }
    assert old.keys() != today.keys()

    assert current_names("densenet121", old).keys() == today.keys()


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_classifiers_are_dropped_without_changing_outputs(name):
    theirs = models.get_model(name, weights=None, num_classes=5, init_weights=False, transform_input=True).eval()
    ours = build_model(ModelSpec(name=name, channels=3, height=299, width=299, classes=5, hidden_units=1)).eval()

    load_initial_weights(ours, current_names(name, theirs.state_dict()), "it")

    images = torch.rand(1, 3, 96, 96)
    assert torch.equal(ours(images), theirs(images))


class TestFineTuning:
    def test_run_starts_from_the_best_epoch_of_another(self, trained, tiny, store):
        earlier = trained.folder.parent.parent
        settings = tiny(hidden_units=16, weights=trained.id, freeze_backbone=True, lr=1e-9, epochs=1)

        run = runfolio.open(earlier).run(run_experiment(settings, store=earlier, experiment="fine-tuned"))

        assert run.flat_summary["test/acc"] == pytest.approx(trained.flat_summary["test/acc"], abs=0.01)
        assert run.flat_summary["trainable_parameters"] < run.flat_summary["parameters"]

    def test_transform_is_that_of_the_earlier_run(self, trained, tiny):
        ours = prepare(tiny(hidden_units=16, weights=str(trained.folder)), store=trained.folder.parent.parent)

        assert ours.transform.as_meta() == trained.checkpoint("best").meta["transform"]

    def test_head_is_new_for_other_classes(self, trained, tiny, tmp_path):
        fill(tmp_path / "photos", {"cat": 12, "dog": 12})
        data = f"folder:{tmp_path / 'photos'}"
        settings = tiny(data=data, hidden_units=16, weights=trained.id, data_fraction=1)

        preparation = prepare(settings, store=trained.folder.parent.parent)

        tensors, theirs = preparation.network().state_dict(), trained.checkpoint("best").tensors("model")
        assert tensors["classifier.2.weight"].shape == (2, 64)
        assert torch.equal(tensors["block_1.0.weight"], theirs["block_1.0.weight"])

    def test_run_of_another_model_or_unknown_run_is_refused(self, trained, tiny):
        store = trained.folder.parent.parent
        label = f"the best checkpoint of run {trained.name} ({trained.id})"

        assert refusal_of(tiny(model="mlp", weights=trained.id), ConfigError, store) == (
            f"{label} contains model tinyvgg, not mlp; use --model tinyvgg"
        )
        assert f"{label} does not fit model tinyvgg: of a different shape: block_1.0.weight (16x1x3x3 instead of" in (
            refusal_of(tiny(hidden_units=8, weights=trained.id), ConfigError, store)
        )
        assert "weights is 'tinyvgg-50pct', which is not a file, and no run 'tinyvgg-50pct'" in (
            refusal_of(tiny(weights="tinyvgg-50pct"), NotFound, store)
        )

    def test_series_finds_the_run_in_its_own_store(self, trained, tiny, store):
        settings = tiny(hidden_units=16, weights=trained.id)

        experiment.check(settings, store=trained.folder.parent.parent)
        with pytest.raises(NotFound, match="which is not a file, and there is no store at"):
            experiment.check(settings, store=store)


class TestFrozenBackbone:
    def test_frozen_backbone_is_bit_identical_after_training(self, file, published, small, store):
        run = trained_run(small(weights=str(file), freeze_backbone=True, dropout=0.2), store)

        tensors = run.checkpoint("last").tensors("model")
        changed = {key for key in tensors if key not in ("fc.weight", "fc.bias") and _differ(tensors, published, key)}
        assert changed == set()
        assert any(key.endswith("running_var") for key in tensors)
        losses = run.metric("train/loss").values
        assert losses[1] < losses[0]

    def test_only_the_head_is_in_optimizer_and_trainable_count(self, file, small, store):
        run = trained_run(small(weights=str(file), freeze_backbone=True), store)

        moments = run.checkpoint("last").state["optimizer"]["state"].values()
        assert [tuple(entry["exp_avg"].shape) for entry in moments] == [(10, 1024), (10,)]
        assert run.flat_summary["trainable_parameters"] == 10 * 1024 + 10
        assert run.flat_summary["parameters"] == 10 * 1024 + 10 + 341_792
        assert run.flat_summary["size_mb"] == pytest.approx(_megabytes(run.load_model()))

    def test_unfrozen_network_trains_completely(self, file, published, small, store):
        run = trained_run(small(weights=str(file), epochs=1), store)

        tensors = run.checkpoint("last").tensors("model")
        assert all(_differ(tensors, published, key) for key in tensors if key.endswith(("weight", "running_mean")))

    def test_frozen_backbone_without_weights_is_refused(self, tiny):
        with pytest.raises(ConfigError, match="freeze-backbone is on but weights is none"):
            tiny(freeze_backbone=True)


def _differ(tensors: Tensors, others: Tensors, key: str) -> bool:
    return not torch.equal(tensors[key], others[key])


def _megabytes(model: nn.Module) -> float:
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values()) / 1e6


def test_run_resumes_and_predicts_without_its_weights_file(file, small, store):
    class PowerCut(Progress):
        def advance(self, task_id, advance=1):
            if "epoch" in self.tasks[-1].description and self.tasks[-1].completed >= 3:
                raise KeyboardInterrupt
            super().advance(task_id, advance)

    settings = small(weights=str(file), freeze_backbone=True, batch_size=40)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(settings, store=store, progress=PowerCut(disable=True))
    (stopped,) = runfolio.open(store).runs(state="interrupted")
    file.unlink()

    run_experiment(store=store, resume=stopped.id)

    (run,) = runfolio.open(store).runs(state="finished")
    assert run.metric("val/acc").steps.tolist() == [1, 2]
    classifier = load(run.checkpoint("best"))
    assert isinstance(classifier.transform, ImageTransform)
    assert classifier.transform.resize == 37
    assert classifier.predict([Image.new("L", (50, 40))])[0].label in "0123456789"
