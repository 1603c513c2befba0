"""The order of weights in memory that a network computes fastest in. Values and results' meaning are the same."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import Optimizer


def to_channels_last(model: nn.Module) -> nn.Module:
    """The network, with the channels of its weights last in memory where it is a convolutional one.

    What convolutions give follows their weights. A network of one convolution is a transformer that cuts its image up.

    Source: https://pytorch.org/tutorials/intermediate/memory_format_tutorial.html
    """
    if sum(isinstance(module, nn.Conv2d) for module in model.modules()) > 1:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] - it is missing in torch's stubs
    return model


def keep_state_layout(optimizer: Optimizer) -> None:
    """Have an optimizer's state that is read from a checkpoint lie in memory as its weights do, as it did before.

    In another order it is worked on in another way, which may round otherwise.
    """
    optimizer.register_load_state_dict_post_hook(_arrange_state)


def _arrange_state(optimizer: Optimizer) -> None:
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
