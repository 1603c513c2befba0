"""Batches of prepared images, in an order that depends on the seed and the epoch and on nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from runfolio.vision.data.base import ImageSet
from runfolio.vision.data.transform import ImageTransform

KEEP_BYTES = 256 * 1024 * 1024
"""Images that take no more than this once prepared are kept, so that only the first epoch decodes and resizes them."""


class PreparedImages(Dataset[tuple[torch.Tensor, int]]):
    """The chosen images of a set, each as ([c, h, w] float32, label)."""

    def __init__(self, images: ImageSet, chosen: NDArray[np.int64], transform: ImageTransform) -> None:
        self._images = images
        self._chosen = chosen
        self._transform = transform
        self._keep = len(chosen) * transform.size_bytes <= KEEP_BYTES
        self._kept: dict[int, torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        index = int(self._chosen[place])
        return self._prepared(index), int(self._images.labels[index])

    def _prepared(self, index: int) -> torch.Tensor:
        prepared = self._kept.get(index)
        if prepared is None:
            prepared = self._transform(self._images.image(index))
            if self._keep:
                self._kept[index] = prepared
        return prepared


class EpochOrder(Sampler[int]):
    """A new order each epoch, drawn from (seed, epoch): resuming at epoch 7 needs no memory of the first six.

    The method is `begin`, not `set_epoch`: Fabric calls a sampler's `set_epoch` with a count of its own.
    """

    def __init__(self, length: int, seed: int) -> None:
        self._length = length
        self._seed = seed
        self._epoch = 0

    def begin(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        yield from np.random.RandomState([self._seed, self._epoch]).permutation(self._length).tolist()


def batches(
    images: Dataset[tuple[torch.Tensor, int]],
    *,
    batch_size: int,
    workers: int,
    seed: int,
    order: EpochOrder | None = None,
) -> DataLoader[tuple[torch.Tensor, int]]:
    """Batches of ([b, c, h, w] float32, [b] int64), in `order` or as they stand; the last one may be smaller."""
    # A generator of its own: a loader would else draw from torch's, and dropout would depend on the loaders.
    return DataLoader(
        images,
        batch_size=batch_size,
        sampler=order,
        num_workers=workers,
        persistent_workers=workers > 0,
        generator=torch.Generator().manual_seed(seed),
    )
