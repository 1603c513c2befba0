"""Trainings that unfreeze the backbone, with a learning rate per stage."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import runfolio
from runfolio import RecordedRun
from runfolio.errors import ConfigError
from runfolio.vision import Fork, TrainSettings, run_experiment
from runfolio.vision.models import ModelSpec, build_model
from runfolio.vision.models.head import head_modules
from runfolio.vision.models.stages import stages

STAGES = {
    "tinyvgg": ["classifier.2", "block_2.0", "block_1.0"],
    "mlp": ["layers.6", "layers.3", "layers.1"],
    "resnet18": ["fc", "layer4.0", "layer3.0", "layer2.0", "layer1.0", "conv1"],
    "mobilenet_v2": ["classifier.1", "features.18", *(f"features.{n}" for n in range(17, -1, -1))],
    "efficientnet_b0": ["classifier.1", *(f"features.{n}" for n in range(8, -1, -1))],
    "vit_b_16": ["heads", *(f"encoder.layers.encoder_layer_{n}." for n in range(11, -1, -1)), "class_token"],
    "timm:vit_tiny_patch16_224": ["head", *(f"blocks.{n}." for n in range(11, -1, -1)), "cls_token"],
    "timm:efficientnet_b0": ["classifier", "conv_head", *(f"blocks.{n}." for n in range(6, -1, -1)), "conv_stem"],
    "timm:convnext_atto": ["head.fc", "stages.3", "stages.2", "stages.1", "stages.0", "stem"],
}
"""Prefix of the first parameter of each stage."""
START = "start.safetensors"


@pytest.mark.parametrize("name", STAGES)
def test_stages_of_a_network_are_its_blocks_from_the_head(name):
    size = 8 if name in ("tinyvgg", "mlp") else 224
    with torch.device("meta"):
        model = build_model(ModelSpec(name=name, channels=3, height=size, width=size, classes=7, hidden_units=4))
    names = {id(parameter): name for name, parameter in model.named_parameters()}

    blocks = stages(model)

    first = [names[id(stage[0])] for stage in blocks]
    assert len(first) == len(STAGES[name])
    assert all(one.startswith(start) for one, start in zip(first, STAGES[name], strict=True)), first
    assert sorted(id(parameter) for stage in blocks for parameter in stage) == sorted(names)
    assert {id(parameter) for parameter in blocks[0]} == {
        id(parameter) for module in head_modules(model) for parameter in module.parameters()
    }


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / START
    model = build_model(ModelSpec(name="tinyvgg", channels=1, height=8, width=8, classes=10, hidden_units=4))
    save_file(model.state_dict(), path)
    return str(path)


def trained(settings: TrainSettings, store: Path) -> RecordedRun:
    folder = run_experiment(settings, store=store)
    return runfolio.open(store).run(folder)


@pytest.fixture(scope="module")
def unfrozen(weights, tiny, tmp_path_factory: pytest.TempPathFactory) -> RecordedRun:
    """Return a run of four epochs with a frozen backbone in the first two. Read only."""
    settings = tiny(
        weights=weights,
        freeze_backbone=True,
        unfreeze_after=2,
        epochs=4,
        schedule="constant",
        optimizer="sgd",
        lr=0.01,
        keep_every=4,
        checkpoint_steps=4,
        watch=1,
    )
    return trained(settings, tmp_path_factory.mktemp("unfrozen"))


def tensors_at(run: RecordedRun, step: int) -> dict[str, torch.Tensor]:
    return run.checkpoint(f"step-{step}").tensors("model")


def test_backbone_is_unchanged_until_it_trains(unfrozen, weights):
    from safetensors.torch import load_file

    start, before, after = load_file(weights), tensors_at(unfrozen, 8), tensors_at(unfrozen, 12)

    changed = {key for key in start if not torch.equal(before[key], start[key])}
    assert changed == {"classifier.2.weight", "classifier.2.bias"}
    assert all(not torch.equal(after[key], before[key]) for key in start)


def test_layer_decay_halves_the_rate_per_stage_and_logs_it(unfrozen):
    groups = unfrozen.checkpoint("last").state["optimizer"]["param_groups"]

    assert [group["lr"] for group in groups] == [0.01, 0.005, 0.0025]
    assert unfrozen.metric("lr").values.tolist() == [0.01] * 4
    assert unfrozen.metric("lr/backbone").values.tolist() == [0, 0, 0.005, 0.005]


def test_frozen_backbone_has_no_gradients(unfrozen):
    assert unfrozen.metric("grad_norm/classifier.2.weight").steps.tolist() == list(range(16))
    assert unfrozen.metric("grad_norm/block_1.0.weight").steps.tolist() == list(range(8, 16))


def test_layer_decay_applies_from_the_start_if_nothing_is_frozen(store, tiny):
    run = trained(tiny(layer_decay=0.1, epochs=1, watch=0), store)

    rates = [group["initial_lr"] for group in run.checkpoint("last").state["optimizer"]["param_groups"]]
    assert rates == pytest.approx([3e-3, 3e-4, 3e-5])
    assert run.metric("lr/backbone").values.tolist() == pytest.approx([3e-4])


def test_patience_ignores_epochs_with_a_frozen_backbone(store, tiny, weights):
    settings = tiny(
        weights=weights,
        freeze_backbone=True,
        unfreeze_after=3,
        epochs=8,
        patience=1,
        optimizer="sgd",
        lr=1e-30,
        watch=0,
    )

    run = trained(settings, store)

    assert run.metric("val/acc").steps.tolist() == [1, 2, 3, 4]


def test_fork_can_unfreeze_the_backbone_with_a_notice(unfrozen):
    store = unfrozen.folder.parent.parent
    later = Fork.plan(unfrozen, {"unfreeze_after": 3, "layer_decay": 0.25}, at=8)
    flat = Fork.plan(unfrozen, {"layer_decay": 1}, at=8)

    run = runfolio.open(store).run(run_experiment(fork=later, store=store))
    with pytest.warns(match="optimizer's state is reset"):
        run_experiment(fork=flat, store=store)

    assert run.metric("lr/backbone").values.tolist() == [0, 0, 0, 0.0025]
    groups = run.checkpoint("last").state["optimizer"]["param_groups"]
    assert [group["lr"] for group in groups] == [0.01, 0.0025, 0.000625]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unfreeze_after": 2}, "turn on freeze-backbone"),
        ({"unfreeze_after": 5, "freeze_backbone": True}, "of 5 epochs"),
    ],
)
def test_invalid_unfreezing_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        TrainSettings(weights="DEFAULT", **changes)


def test_batch_norm_keeps_its_statistics_until_the_backbone_trains(store, tiny, tmp_path):
    spec = ModelSpec(name="timm:test_resnet", channels=3, height=32, width=32, classes=10, hidden_units=4)
    start = build_model(spec).state_dict()
    save_file(start, tmp_path / START)
    settings = tiny(
        model=spec.name,
        image_size=32,
        weights=str(tmp_path / START),
        freeze_backbone=True,
        unfreeze_after=1,
        batch_size=58,
        keep_every=2,
        checkpoint_steps=2,
        watch=0,
    )

    run = trained(settings, store)

    before, after = tensors_at(run, 2), tensors_at(run, 4)
    statistics = [key for key in start if "running" in key]
    assert statistics
    assert all(torch.equal(before[key], start[key]) for key in statistics)
    assert not any(torch.equal(after[key], start[key]) for key in statistics)
