"""Batches of prepared images, in an order that depends on the seed and the epoch and on nothing else."""

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
"""Images whose pixels take no more than this once resized are kept, so that only the first epoch decodes them."""

_GPU_WORKERS, _CPU_WORKERS = 8, 4
"""More are of no use: a GPU is fed by so many, and where a CPU trains they would take the cores that it trains on."""
_BATCHES_AHEAD = 4
"""So many each worker prepares before they are asked for."""

Labelled = tuple[torch.Tensor, int]
"""([c, h, w] uint8 pixels, label)"""

_pixels_by_set: WeakKeyDictionary[ImageSet, tuple[ImageTransform, dict[int, torch.Tensor]]] = WeakKeyDictionary()
"""Pixels by index in the set, for the last transform that a set was prepared with: all runs of a process share them."""


class PreparedImages(Dataset[Labelled]):
    """The chosen images of a set, in the size that the network takes."""

    def __init__(self, images: ImageSet, chosen: NDArray[np.int64], transform: ImageTransform) -> None:
        self._images = images
        self._chosen = chosen
        self.transform = transform
        self.fits_in_memory = len(chosen) * transform.size_bytes <= MEMORY_CACHE_BYTES
        """Whether the pixels stay in memory."""
        self._in_memory = _shared_pixels(images, transform)
        self._on_disk: CachedPixels | None = None

    def cache_on_disk(self, progress: Progress | None) -> float:
        """Take pixels of files that were decoded before, and keep those that are decoded from now on.

        Returns:
            What part of those that are not kept yet there is room for, in memory where not on disk.

        Raises:
            CacheUnavailable: Nothing can be kept.
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
        """Where in the set the image is."""
        return int(self._chosen[position])

    def label(self, position: int) -> int:
        return int(self._images.labels[self.index(position)])

    def pixels(self, position: int) -> torch.Tensor:
        """[c, h, w] uint8, resized; not to be written to."""
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
    """Return the pixels cached for a set; an empty dict for one run alone if files may change or the set is large."""
    if images.in_files or len(images) * transform.size_bytes > MEMORY_CACHE_BYTES:
        return {}
    cached_transform, pixels = _pixels_by_set.get(images, (None, {}))
    if cached_transform != transform:
        pixels = {}
        _pixels_by_set[images] = transform, pixels
    return pixels


class SampleRef(NamedTuple):
    """One look at one image. The epoch comes along because workers outlive it."""

    epoch: int
    position: int


class AugmentedImages(Dataset[Labelled]):
    """Prepared images, changed at random at every visit."""

    def __init__(self, prepared: PreparedImages, augmentation: Augmentation) -> None:
        self._prepared = prepared
        self._augmentation = augmentation

    def __len__(self) -> int:
        return len(self._prepared)

    def __getitem__(self, sample: SampleRef) -> Labelled:
        return self.pixels(sample), self._prepared.label(sample.position)

    def pixels(self, sample: SampleRef) -> torch.Tensor:
        """[c, h, w] uint8."""
        before = self._prepared.pixels(sample.position)
        return self._augmentation(before, epoch=sample.epoch, index=self._prepared.index(sample.position))


class EpochOrder(Sampler[list[SampleRef]]):
    """Batches of visits in a new order each epoch (see `BatchOrder`)."""

    def __init__(self, length: int, batch_size: int, seed: int) -> None:
        self._order = BatchOrder(length, batch_size, seed=seed)
        self.begin(0)

    def begin(self, epoch: int, batch: int = 0) -> None:
        """Iterate over this epoch next, from this batch on."""
        self._epoch = epoch
        self._order.at(epoch * len(self) + batch)

    def __len__(self) -> int:
        """Batches of a whole epoch; the last one may be smaller."""
        return len(self._order)

    def __iter__(self) -> Iterator[list[SampleRef]]:
        for positions in self._order:
            yield [SampleRef(self._epoch, position) for position in positions]


def default_workers(device: str, *, are_ready: bool) -> int:
    """How many processes should prepare images: as many as the cores can spare, none where there is nothing to do.

    Args:
        device: `cpu`, whose cores are those that train, or `cuda`.
        are_ready: The images, or what is made of them, need not be decoded.
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
    """Batches of ([b, c, h, w] uint8, [b] int64), in `order` or as they stand; the last one may be smaller.

    Args:
        images: `AugmentedImages` with an order, `PreparedImages` without one.
        batch_size: Without an order, which has its own.
        pin_memory: In memory that a GPU copies from while it computes.
    """
    # A generator of its own: a loader would else draw from torch's, and dropout would depend on the loaders.
    return DataLoader(
        images,
        batch_size=1 if order else batch_size,  # torch's word for: the batch sampler says it
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
