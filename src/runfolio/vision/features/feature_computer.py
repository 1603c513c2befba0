"""Reproducible computation of features: the features of an image are always bit-identical.

Float sums depend on the order of addition. This order depends on the batch size and on the division of a batch among
threads. Therefore all batches have the same size, and the last batch is padded. On a CPU, one thread computes a whole
batch. Several threads compute batches in parallel. The features of an image then do not depend on the other images of
its batch or on their order. This was tested for all networks of torchvision, in 32 bits and bfloat16.
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
"""Function that maps the pixels of n images, [c, h, w] uint8 each, to the bytes of their features, [n, row_bytes]."""

_CPU_BATCH, _GPU_BATCH = 8, 32
"""Batch sizes on a CPU and on a GPU. On a CPU, larger batches take more time per image, since their activations do not
fit into the CPU caches."""


@contextmanager
def feature_computer(
    cut: NetworkCut, model: nn.Module, transform: ImageTransform, precision: str
) -> Iterator[FeatureFunction]:
    """Yield the function that computes features. Inside the block, `model` is in evaluation mode."""
    device = next(model.parameters()).device
    size = _CPU_BATCH if device.type == "cpu" else _GPU_BATCH

    with cut.feature_function(model) as features, _batch_threads(device) as threads:

        def compute_batch(pixels: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode(), autocast(device, precision):
                images = transform.normalised(_padded(pixels, size).to(device))
                return features(images.contiguous(memory_format=torch.channels_last)).cpu()[: len(pixels)]

        def compute(pixels: Sequence[torch.Tensor]) -> NDArray[np.uint8]:
            rows = torch.cat(list(threads.map(compute_batch, torch.stack(list(pixels)).split(size))))
            return rows.view(torch.uint8).numpy()

        yield compute


def _padded(batch: torch.Tensor, size: int) -> torch.Tensor:
    """Pad a batch to `size` by repeating its last image."""
    return torch.cat([batch, batch[-1:].expand(size - len(batch), *batch.shape[1:])])


@contextmanager
def _batch_threads(device: torch.device) -> Iterator[ThreadPoolExecutor]:
    """Yield a thread pool. It has one thread if the device is a GPU. Otherwise, it has as many threads as torch uses.
    Each thread computes whole batches."""
    if device.type != "cpu":
        with ThreadPoolExecutor(1) as threads:
            yield threads
        return
    # New threads inherit torch's number of threads.
    with one_torch_thread() as count, ThreadPoolExecutor(count) as threads:
        yield threads


@contextmanager
def one_torch_thread() -> Iterator[int]:
    """Make torch compute on one thread, and yield the number of threads that it used before."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield count
    finally:
        torch.set_num_threads(count)
