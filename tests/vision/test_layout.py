"""Memory layout of weights: channels-last in memory, the usual order on disk."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

import runfolio
from runfolio.vision import run_experiment
from runfolio.vision.loop.optimizers import make_optimizer
from runfolio.vision.models import ModelSpec, build_model
from runfolio.vision.models.memory_layout import to_channels_last
from runfolio.vision.prepare import prepare

SPEC = ModelSpec(name="tinyvgg", channels=3, height=16, width=16, classes=3, hidden_units=8)


def is_channels_last(weight: torch.Tensor) -> bool:
    return weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()


def test_channels_last_weights_give_the_same_output():
    model, images = to_channels_last(build_model(SPEC)).eval(), torch.rand(4, 3, 16, 16)
    wide = [module.weight for module in model.modules() if isinstance(module, nn.Conv2d) and module.in_channels > 1]

    assert wide
    assert all(is_channels_last(weight) for weight in wide)
    with torch.no_grad():
        before = model(images)
        for weight in wide:
            weight.data = weight.contiguous()
        torch.testing.assert_close(model(images), before)


def test_network_without_convolutions_is_unchanged():
    cut_up = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.Flatten(2), nn.Linear(16, 3))

    assert not any(is_channels_last(weight) for weight in to_channels_last(cut_up).parameters() if weight.ndim == 4)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_restored_optimizer_state_has_the_memory_format_of_the_weights(tiny, optimizer):
    def trained(model: nn.Module) -> torch.optim.Optimizer:
        stepping = make_optimizer(
            model, tiny(optimizer=optimizer, momentum=0.9 if optimizer == "sgd" else 0), rate_decay=1
        )
        functional.cross_entropy(model(torch.rand(4, 3, 16, 16)), torch.tensor([0, 1, 2, 0])).backward()
        stepping.step()
        return stepping

    before, after = trained(to_channels_last(build_model(SPEC))), trained(to_channels_last(build_model(SPEC)))
    saved = before.state_dict()
    saved["state"] = {
        number: {key: value.contiguous() if isinstance(value, torch.Tensor) else value for key, value in state.items()}
        for number, state in saved["state"].items()
    }

    after.load_state_dict(saved)

    for ours, theirs in zip(after.state.values(), before.state.values(), strict=True):
        for name, value in theirs.items():
            assert torch.equal(ours[name], value)
            assert ours[name].stride() == value.stride()


def test_training_uses_channels_last_and_saves_in_the_usual_order(store, tiny):
    settings = tiny(epochs=1)
    trained = [weight for weight in prepare(settings).network().parameters() if weight.ndim == 4]
    folder = run_experiment(settings, store=store)

    run = runfolio.open(store).run(folder)
    assert any(is_channels_last(weight) for weight in trained)
    assert all(tensor.is_contiguous() for tensor in run.checkpoint("last").tensors("model").values())
    assert all(weight.is_contiguous() for weight in run.load_model().parameters())
