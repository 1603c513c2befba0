"""Head of a network of any architecture. The head consists of the layer that returns the logits, and its dropout."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn


class LinearAfterDropout(nn.Linear):
    """Linear layer that applies dropout to its inputs. Its state keys equal those of `nn.Linear`, so the same weights
    fit both layers."""

    def __init__(self, layer: nn.Linear, probability: float) -> None:
        super().__init__(layer.in_features, layer.out_features, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.dropout = nn.Dropout(probability)

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - the name in nn.Linear
        """Map [..., in_features] to [..., out_features]."""
        return super().forward(self.dropout(input))


def head_layers(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the layers that return logits. Only timm models can have several such layers.

    A timm model lists their names. In any other model, the layer is the linear or convolutional layer that was
    registered last. This is correct for tinyvgg, mlp, and all classification models of torchvision.
    """
    published = getattr(model, "pretrained_cfg", {}).get("classifier")
    if published:
        return (published,) if isinstance(published, str) else tuple(published)
    layers = [name for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    return tuple(layers[-1:])


def head_keys(model: nn.Module) -> set[str]:
    """Return the keys of the head in the `state_dict`."""
    return {f"{name}.{key}" for name in head_layers(model) for key in model.get_submodule(name).state_dict()}


def head_modules(model: nn.Module) -> list[nn.Module]:
    """Return the layers of the head, and the dropout directly before each layer."""
    modules: list[nn.Module] = []
    for name in head_layers(model):
        dropout = _dropout_before(model, name)
        modules += [model.get_submodule(name), *([dropout] if dropout else [])]
    return modules


def set_dropout(model: nn.Module, probability: float) -> None:
    """Set the dropout probability of the head, and add a dropout layer if the head has none."""
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
    previous = list(siblings.values())[index - 1] if index else None
    return previous if isinstance(previous, nn.Dropout) else None
