"""Features of images: the same bits for an image, whatever it is computed together with and by however many threads.

Sums of floats depend on the order they are added up in, and that on the size of a batch and on how a batch is shared
out among threads. So batches are always of one size, the last one filled up, and on a CPU each is computed by one
thread alone, several of them side by side. The order in which images come, their places in a batch and the images
beside them make no difference then (tried for all of torchvision, in 32 bits and bfloat16).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from runfolio.vision.data.transform import ImageTransform
from runfolio.vision.models.network_cut import NetworkCut
from runfolio.vision.models.precision import autocast

FeatureFunction = Callable[[Sequence[torch.Tensor]], NDArray[np.uint8]]
"""Pixels of images, [c, h, w] uint8 each, to the bytes of their features, [n, row_bytes]."""

_CPU_BATCH, _GPU_BATCH = 8, 32
"""More at once take longer each on a CPU: what a layer gives no longer stays in its caches."""


@contextmanager
def feature_computer(
    cut: NetworkCut, model: nn.Module, transform: ImageTransform, precision: str
) -> Iterator[FeatureFunction]:
    """Inside, what computes features; `model` is in evaluation mode meanwhile, and torch left to it."""
    device = next(model.parameters()).device
    size = _CPU_BATCH if device.type == "cpu" else _GPU_BATCH

    with cut.feature_function(model) as features, _threads(device) as threads:

        def compute_batch(pixels: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode(), autocast(device, precision):
                images = transform.normalised(_padded(pixels, size).to(device))
                return features(images.contiguous(memory_format=torch.channels_last)).cpu()[: len(pixels)]

        def compute(pixels: Sequence[torch.Tensor]) -> NDArray[np.uint8]:
            rows = torch.cat(list(threads.map(compute_batch, torch.stack(list(pixels)).split(size))))
            return rows.view(torch.uint8).numpy()

        yield compute


def _padded(batch: torch.Tensor, size: int) -> torch.Tensor:
    """With the last one repeated."""
    return torch.cat([batch, batch[-1:].expand(size - len(batch), *batch.shape[1:])])


@contextmanager
def _threads(device: torch.device) -> Iterator[ThreadPoolExecutor]:
    """On a CPU as many as torch has, in each of which torch computes without others."""
    if device.type != "cpu":
        with ThreadPoolExecutor(1) as threads:
            yield threads
        return
    with one_torch_thread() as count, ThreadPoolExecutor(count) as threads:  # holds for threads that start inside
        yield threads


@contextmanager
def one_torch_thread() -> Iterator[int]:
    """Let torch compute on one thread inside; give the number of threads that it has otherwise."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield count
    finally:
        torch.set_num_threads(count)
