"""The head of a network, whatever the architecture calls it: the layer that gives the classes, and its dropout."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn


class LinearAfterDropout(nn.Linear):
    """A linear layer that drops inputs first, under the keys of a plain one: weights fit with and without."""

    def __init__(self, layer: nn.Linear, probability: float) -> None:
        super().__init__(layer.in_features, layer.out_features, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.dropout = nn.Dropout(probability)

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - as nn.Linear calls it
        """[..., in_features] to [..., out_features]."""
        return super().forward(self.dropout(input))


def head_layers(model: nn.Module) -> tuple[str, ...]:
    """Names of the layers that give the classes: one, unless a model of timm says that it has more.

    It is the linear or convolutional layer that was registered last: so are tinyvgg and mlp built, and every
    classification model of torchvision.
    """
    published = getattr(model, "pretrained_cfg", {}).get("classifier")
    if published:
        return (published,) if isinstance(published, str) else tuple(published)
    layers = [name for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    return tuple(layers[-1:])


def head_keys(model: nn.Module) -> set[str]:
    """The head's names in the `state_dict`."""
    return {f"{name}.{key}" for name in head_layers(model) for key in model.get_submodule(name).state_dict()}


def head_modules(model: nn.Module) -> list[nn.Module]:
    """The head's layers and the dropout right before each."""
    modules: list[nn.Module] = []
    for name in head_layers(model):
        dropout = _dropout_before(model, name)
        modules += [model.get_submodule(name), *([dropout] if dropout else [])]
    return modules


def set_dropout(model: nn.Module, probability: float) -> None:
    """Drop inputs of the head with this probability, in the dropout that is there already or in a new one."""
    (name,) = head_layers(model)
    if dropout := _dropout_before(model, name):
        dropout.p = probability
        return
    parent, _, child = name.rpartition(".")
    layer = cast("nn.Linear", model.get_submodule(name))
    setattr(model.get_submodule(parent), child, LinearAfterDropout(layer, probability))


def _dropout_before(model: nn.Module, name: str) -> nn.Dropout | None:
    parent, _, child = name.rpartition(".")
    siblings = dict(model.get_submodule(parent).named_children())
    index = list(siblings).index(child)
    before = list(siblings.values())[index - 1] if index else None
    return before if isinstance(before, nn.Dropout) else None
