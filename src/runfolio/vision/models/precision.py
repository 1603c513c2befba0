"""Mixed precision: torch computes a layer in 16 bits if this is safe, and weights stay in 32 bits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

Network = Callable[[torch.Tensor], torch.Tensor]

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return a context that makes torch compute with the precision of the settings."""
    dtype = _DTYPES.get(precision)
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)


def mixed_precision(network: nn.Module, device: torch.device, precision: str) -> Network:
    """Return a function that calls the network with the precision of the settings and returns float32."""
    if precision not in _DTYPES:
        return network
    dtype = _DTYPES[precision]

    def forward(batch: torch.Tensor) -> torch.Tensor:
        with autocast(device, precision):
            logits = network(batch.to(dtype))
        return logits.float()

    return forward
