"""A backbone that training leaves alone, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from runfolio.vision.models.head import head_layers, head_modules


def freeze_backbone(model: nn.Module) -> None:
    """Only the head keeps parameters that train."""
    model.requires_grad_(False)
    for module in head_modules(model):
        module.requires_grad_(True)


def train_mode(model: nn.Module, *, frozen_backbone: bool) -> None:
    """Put the model in training mode; of one with a frozen backbone, the head alone.

    A backbone in training mode would not be frozen: BatchNorm would use and update the statistics of its batches, and
    dropout inside it would draw.
    """
    model.train(not frozen_backbone)
    if frozen_backbone:
        for module in _around_the_head(model):
            module.training = True
        for module in head_modules(model):
            module.train()


def _around_the_head(model: nn.Module) -> Iterator[nn.Module]:
    # Some architectures drop the head's inputs by a function that asks the module around it.
    for name in head_layers(model):
        while name:
            name = name.rpartition(".")[0]
            yield model.get_submodule(name)
