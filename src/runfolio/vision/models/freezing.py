"""Freezing of backbones. Training does not change a frozen backbone."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from runfolio.vision.models.head import head_layers, head_modules


def freeze_backbone(model: nn.Module) -> None:
    """Freeze all parameters except the parameters of the head."""
    model.requires_grad_(False)
    for module in head_modules(model):
        module.requires_grad_(True)


def train_mode(model: nn.Module, *, frozen_backbone: bool) -> None:
    """Put the model into training mode, or only the head if the backbone is frozen.

    In training mode, a backbone would still change: BatchNorm would update its statistics, and dropout would be active.
    """
    model.train(not frozen_backbone)
    if frozen_backbone:
        for module in _head_ancestors(model):
            module.training = True
        for module in head_modules(model):
            module.train()


def _head_ancestors(model: nn.Module) -> Iterator[nn.Module]:
    # In some architectures, a parent of the head applies dropout according to its own mode.
    for name in head_layers(model):
        while name:
            name = name.rpartition(".")[0]
            yield model.get_submodule(name)
