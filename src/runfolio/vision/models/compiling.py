"""A network compiled by torch.compile, without a second compilation for batches of another size."""

from __future__ import annotations

import torch

from runfolio.errors import ConfigError
from runfolio.vision.models.precision import Network

_BACKEND = "inductor"


def compile_network(network: Network, batch_size: int) -> Network:
    """The network for whole batches of images in compiled form, and as it is for the others.

    An epoch's last, smaller batch is so few images that compiling for it does not pay; and what is computed never
    depends on which size came first, as in one attempt of a run it may be this, in the next that. The weights, hooks
    and names are the network's own.
    """
    fast = torch.compile(network, backend=_BACKEND, dynamic=False)

    def forward(batch: torch.Tensor) -> torch.Tensor:
        of_images = batch.ndim == 4
        return fast(batch) if of_images and len(batch) == batch_size else network(batch)

    return forward


def check_compiler(device: str) -> None:
    """See that something can be compiled here.

    Raises:
        ConfigError: It cannot; the message says why.
    """
    try:
        torch.compile(_sample_function, backend=_BACKEND)(torch.zeros(2, device=device))
    except Exception as error:  # whatever is missing: a compiler, its headers, triton, support for this Python
        inner = getattr(error, "inner_exception", error)
        reason = next(filter(None, map(str.strip, str(inner).splitlines())), type(inner).__name__)
        needed = "a C++ compiler such as g++" if device == "cpu" else "triton and a C compiler such as gcc"
        raise ConfigError(
            f"compile is on, but torch.compile does not work here ({reason}); install {needed}, or leave out --compile"
        ) from None


def _sample_function(values: torch.Tensor) -> torch.Tensor:
    return values * 2 + 1
