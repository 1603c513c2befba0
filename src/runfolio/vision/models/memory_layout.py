"""Memory layout of weights for fast computation. The layout does not change values."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import Optimizer


def to_channels_last(model: nn.Module) -> nn.Module:
    """Store the weights of a convolutional network in channels-last order, and return the network.

    The outputs of a convolution have the memory order of its weights. A network with only one convolution is a
    transformer. It cuts images into patches with this convolution, and is left unchanged.

    Source: https://pytorch.org/tutorials/intermediate/memory_format_tutorial.html
    """
    if sum(isinstance(module, nn.Conv2d) for module in model.modules()) > 1:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] - it is missing in torch's stubs
    return model


def keep_state_layout(optimizer: Optimizer) -> None:
    """Make an optimizer store a loaded state in the memory order of its weights. A state has this order before it is
    saved, and a different order could lead to different rounding."""
    optimizer.register_load_state_dict_post_hook(_arrange_state)


def _arrange_state(optimizer: Optimizer) -> None:
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
