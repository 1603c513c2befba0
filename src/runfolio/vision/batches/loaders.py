"""Batches of prepared images, in an order that depends only on the seed and the epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from runfolio.tracking.checkpointing.batch_order import BatchOrder
from runfolio.tracking.environment.machine import usable_cpus
from runfolio.vision.batches.augment import Augmentation
from runfolio.vision.batches.cache_budget import CacheUnavailable
from runfolio.vision.batches.pixel_cache import CachedPixels
from runfolio.vision.data.base import ImageSet
from runfolio.vision.data.transform import ImageTransform

if TYPE_CHECKING:
    from rich.progress import Progress

MEMORY_CACHE_BYTES = 256 * 1024 * 1024
"""Maximum size of the resized pixels that are cached in memory, in bytes. If the pixels of a data set fit into this
space, only the first epoch decodes its images."""

_GPU_WORKERS, _CPU_WORKERS = 8, 4
"""Maximum default number of workers on a GPU and on a CPU. A GPU does not need more workers. On a CPU, more workers
would compete with training for cores."""
_BATCHES_AHEAD = 4
"""Number of batches that each worker prepares in advance."""

Labelled = tuple[torch.Tensor, int]
"""Input and label. The input is either pixels (uint8, [c, h, w]) or features ([size])."""

_pixels_by_set: WeakKeyDictionary[ImageSet, tuple[ImageTransform, dict[int, torch.Tensor]]] = WeakKeyDictionary()
"""Last transform that was used for each image set, and the resulting pixels by image index. All runs of the process
share these pixels."""


class PreparedImages(Dataset[Labelled]):
    """Chosen images of a set, resized for the network."""

    def __init__(self, images: ImageSet, chosen: NDArray[np.int64], transform: ImageTransform) -> None:
        self._images = images
        self._chosen = chosen
        self.transform = transform
        self.fits_in_memory = len(chosen) * transform.size_bytes <= MEMORY_CACHE_BYTES
        """True if the pixels of all chosen images are cached in memory."""
        self._in_memory = _shared_pixels(images, transform)
        self._on_disk: CachedPixels | None = None

    def cache_on_disk(self, progress: Progress | None) -> float:
        """Use the disk cache of decoded pixels, if the images are files.

        Returns:
            Fraction of the uncached images that fit into memory or into the disk cache.

        Raises:
            CacheUnavailable: Nothing can be cached.
            DamagedFile: An image cannot be read.
        """
        if not self._images.in_files:
            return 1.0
        try:
            cached_pixels = CachedPixels(self._images, self.transform, self._chosen, progress)
        except CacheUnavailable:
            if self.fits_in_memory:
                return 1.0
            raise
        if cached_pixels.share < 1 and self.fits_in_memory:
            return 1.0
        self._on_disk = cached_pixels
        return cached_pixels.share

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, position: int) -> Labelled:
        return self.pixels(position), self.label(position)

    def index(self, position: int) -> int:
        """Return the index of an image in the set."""
        return int(self._chosen[position])

    def label(self, position: int) -> int:
        return int(self._images.labels[self.index(position)])

    def pixels(self, position: int) -> torch.Tensor:
        """Return resized pixels, [c, h, w] uint8. The pixels are shared, so callers must not change them."""
        if self._on_disk is not None:
            return self._on_disk.pixels(position)
        index = self.index(position)
        pixels = self._in_memory.get(index)
        if pixels is None:
            pixels = self.transform.pixels_of(self._images, index)
            if self.fits_in_memory:
                self._in_memory[index] = pixels
        return pixels


def _shared_pixels(images: ImageSet, transform: ImageTransform) -> dict[int, torch.Tensor]:
    """Return the dict of a set's pixels that all runs share. If the set is large, or consists of files that may change,
    return a new dict."""
    if images.in_files or len(images) * transform.size_bytes > MEMORY_CACHE_BYTES:
        return {}
    cached_transform, pixels = _pixels_by_set.get(images, (None, {}))
    if cached_transform != transform:
        pixels = {}
        _pixels_by_set[images] = transform, pixels
    return pixels


class SampleRef(NamedTuple):
    """Reference to an image in an epoch. The epoch is included because worker processes run for several epochs."""

    epoch: int
    position: int


class AugmentedImages(Dataset[Labelled]):
    """Prepared images, augmented for the epoch of each `SampleRef`."""

    def __init__(self, prepared: PreparedImages, augmentation: Augmentation) -> None:
        self._prepared = prepared
        self._augmentation = augmentation

    def __len__(self) -> int:
        return len(self._prepared)

    def __getitem__(self, sample: SampleRef) -> Labelled:
        return self.pixels(sample), self._prepared.label(sample.position)

    def pixels(self, sample: SampleRef) -> torch.Tensor:
        """Return augmented pixels, [c, h, w] uint8."""
        pixels = self._prepared.pixels(sample.position)
        return self._augmentation(pixels, epoch=sample.epoch, index=self._prepared.index(sample.position))


class EpochOrder(Sampler[list[SampleRef]]):
    """Batch sampler with a new order in each epoch (see `BatchOrder`)."""

    def __init__(self, length: int, batch_size: int, seed: int) -> None:
        self._order = BatchOrder(length, batch_size, seed=seed)
        self.begin(0)

    def begin(self, epoch: int, batch: int = 0) -> None:
        """Select the epoch and the first batch of the next iteration."""
        self._epoch = epoch
        self._order.at(epoch * len(self) + batch)

    def __len__(self) -> int:
        """Return the number of batches in a whole epoch, including a smaller last batch."""
        return len(self._order)

    def __iter__(self) -> Iterator[list[SampleRef]]:
        for positions in self._order:
            yield [SampleRef(self._epoch, position) for position in positions]


def default_workers(device: str, *, are_ready: bool) -> int:
    """Return the default number of worker processes, limited by the number of cores.

    Args:
        device: `cuda` or `cpu`. On a CPU, one core is left to the training process.
        are_ready: If true, images are not decoded in every epoch, so no workers are needed.
    """
    if are_ready:
        return 0
    cores = max(1, int(usable_cpus() or 1))
    return min(cores - 1, _CPU_WORKERS) if device == "cpu" else min(cores, _GPU_WORKERS)


def batch_loader(
    images: Dataset[Labelled],
    *,
    workers: int,
    seed: int,
    batch_size: int = 1,
    order: EpochOrder | None = None,
    pin_memory: bool = False,
) -> DataLoader[Labelled]:
    """Return a loader of [b, c, h, w] uint8 pixels and [b] int64 labels. The last batch may be smaller.

    Args:
        images: Data set to load. Its items are selected by a `SampleRef` if `order` is given, or by a position
            otherwise.
        batch_size: Number of images per batch. It is ignored if `order` is given, because `order` has its own batch
            size.
        order: Order of the images. The default is the order of `images`.
        pin_memory: If true, batches are in page-locked memory. A GPU can copy from this memory while it computes.
    """
    # Without its own generator, a loader would draw from torch's global generator, which would change dropout.
    return DataLoader(
        images,
        batch_size=1 if order else batch_size,  # torch requires size 1 with a batch sampler
        batch_sampler=order,
        num_workers=workers,
        persistent_workers=workers > 0,
        prefetch_factor=_BATCHES_AHEAD if workers else None,
        pin_memory=pin_memory,
        generator=torch.Generator().manual_seed(seed),
    )


class DeviceBatches:
    """Batches of a loader, moved to a device."""

    def __init__(self, loader: DataLoader[Labelled], device: torch.device) -> None:
        self._loader = loader
        self._device = device

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for images, labels in self._loader:
            yield images.to(self._device, non_blocking=True), labels.to(self._device, non_blocking=True)
