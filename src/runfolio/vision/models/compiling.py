"""Compilation of networks with torch.compile, for one batch size."""

from __future__ import annotations

import torch

from runfolio.errors import ConfigError
from runfolio.vision.models.precision import Network

_BACKEND = "inductor"


def compile_network(network: Network, batch_size: int) -> Network:
    """Return a function that calls the compiled network for full batches of images. For other batches, it calls the
    original network.

    Compiling for the smaller last batch of an epoch takes more time than it saves. Only one batch size is compiled, so
    the results of resumed runs cannot depend on the order of compilation. Weights, hooks and names stay the same.
    """
    compiled = torch.compile(network, backend=_BACKEND, dynamic=False)

    def forward(batch: torch.Tensor) -> torch.Tensor:
        has_images = batch.ndim == 4
        return compiled(batch) if has_images and len(batch) == batch_size else network(batch)

    return forward


def check_compiler(device: str) -> None:
    """Check that torch.compile works on this machine.

    Raises:
        ConfigError: torch.compile does not work; the message gives the reason.
    """
    try:
        torch.compile(_sample_function, backend=_BACKEND)(torch.zeros(2, device=device))
    except Exception as error:  # a compiler, its headers, triton, or support for this Python is missing
        inner = getattr(error, "inner_exception", error)
        reason = next(filter(None, map(str.strip, str(inner).splitlines())), type(inner).__name__)
        needed = "a C++ compiler such as g++" if device == "cpu" else "triton and a C compiler such as gcc"
        raise ConfigError(
            f"compile is on, but torch.compile does not work here ({reason}); install {needed}, or leave out --compile"
        ) from None


def _sample_function(values: torch.Tensor) -> torch.Tensor:
    return values * 2 + 1
