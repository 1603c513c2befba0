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
from runfolio.vision.batches.cache_budget import CannotCache
from runfolio.vision.batches.pixel_cache import CachedPixels
from runfolio.vision.data.base import ImageSet
from runfolio.vision.data.transform import ImageTransform

if TYPE_CHECKING:
    from rich.progress import Progress

KEEP_BYTES = 256 * 1024 * 1024
"""Images whose pixels take no more than this once resized are kept, so that only the first epoch decodes them."""

_WORKERS_OF_A_GPU, _WORKERS_OF_A_CPU = 8, 4
"""More are of no use: a GPU is fed by so many, and where a CPU trains they would take the cores that it trains on."""
_BATCHES_AHEAD = 4
"""So many each worker prepares before they are asked for."""

Labelled = tuple[torch.Tensor, int]
"""([c, h, w] uint8 pixels, label)"""

_kept: WeakKeyDictionary[ImageSet, tuple[ImageTransform, dict[int, torch.Tensor]]] = WeakKeyDictionary()
"""Pixels by index in the set, for the last transform that a set was prepared with: all runs of a process share them."""


class PreparedImages(Dataset[Labelled]):
    """The chosen images of a set, in the size that the network takes."""

    def __init__(self, images: ImageSet, chosen: NDArray[np.int64], transform: ImageTransform) -> None:
        self._images = images
        self._chosen = chosen
        self.transform = transform
        self.keeps = len(chosen) * transform.size_bytes <= KEEP_BYTES
        """Whether the pixels stay in memory."""
        self._kept = _kept_pixels(images, transform)
        self._on_disk: CachedPixels | None = None

    def keep_on_disk(self, progress: Progress | None) -> float:
        """Take pixels of files that were decoded before, and keep those that are decoded from now on.

        Returns:
            What part of those that are not kept yet there is room for, in memory where not on disk.

        Raises:
            CannotCache: Nothing can be kept.
            DamagedFile: An image cannot be read.
        """
        if not self._images.in_files:
            return 1.0
        try:
            opened = CachedPixels(self._images, self.transform, self._chosen, progress)
        except CannotCache:
            if self.keeps:
                return 1.0
            raise
        if opened.share < 1 and self.keeps:
            return 1.0
        self._on_disk = opened
        return opened.share

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, place: int) -> Labelled:
        return self.pixels(place), self.label(place)

    def index(self, place: int) -> int:
        """Where in the set the image is."""
        return int(self._chosen[place])

    def label(self, place: int) -> int:
        return int(self._images.labels[self.index(place)])

    def pixels(self, place: int) -> torch.Tensor:
        """[c, h, w] uint8, resized; not to be written to."""
        if self._on_disk is not None:
            return self._on_disk.pixels(place)
        index = self.index(place)
        pixels = self._kept.get(index)
        if pixels is None:
            pixels = self.transform.pixels_of(self._images, index)
            if self.keeps:
                self._kept[index] = pixels
        return pixels


def _kept_pixels(images: ImageSet, transform: ImageTransform) -> dict[int, torch.Tensor]:
    """Return the pixels kept of a set; an empty dict for one run alone if files may change or the set is large."""
    if images.in_files or len(images) * transform.size_bytes > KEEP_BYTES:
        return {}
    before, pixels = _kept.get(images, (None, {}))
    if before != transform:
        pixels = {}
        _kept[images] = transform, pixels
    return pixels


class Visit(NamedTuple):
    """One look at one image. The epoch comes along because workers outlive it."""

    epoch: int
    place: int


class AugmentedImages(Dataset[Labelled]):
    """Prepared images, changed at random at every visit."""

    def __init__(self, prepared: PreparedImages, augmentation: Augmentation) -> None:
        self._prepared = prepared
        self._augmentation = augmentation

    def __len__(self) -> int:
        return len(self._prepared)

    def __getitem__(self, visit: Visit) -> Labelled:
        return self.pixels(visit), self._prepared.label(visit.place)

    def pixels(self, visit: Visit) -> torch.Tensor:
        """[c, h, w] uint8."""
        before = self._prepared.pixels(visit.place)
        return self._augmentation(before, epoch=visit.epoch, index=self._prepared.index(visit.place))


class EpochOrder(Sampler[list[Visit]]):
    """Batches of visits in a new order each epoch (see `BatchOrder`).

    The method is `begin`, not `set_epoch`: Fabric calls a sampler's `set_epoch` with a count of its own.
    """

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

    def __iter__(self) -> Iterator[list[Visit]]:
        for places in self._order:
            yield [Visit(self._epoch, place) for place in places]


def suited_workers(device: str, *, are_ready: bool) -> int:
    """How many processes should prepare images: as many as the cores can spare, none where there is nothing to do.

    Args:
        device: `cpu`, whose cores are those that train, or `cuda`.
        are_ready: The images, or what is made of them, need not be decoded.
    """
    if are_ready:
        return 0
    cores = max(1, int(usable_cpus() or 1))
    return min(cores - 1, _WORKERS_OF_A_CPU) if device == "cpu" else min(cores, _WORKERS_OF_A_GPU)


def batches(
    images: Dataset[Labelled],
    *,
    workers: int,
    seed: int,
    batch_size: int = 1,
    order: EpochOrder | None = None,
    pinned: bool = False,
) -> DataLoader[Labelled]:
    """Batches of ([b, c, h, w] uint8, [b] int64), in `order` or as they stand; the last one may be smaller.

    Args:
        images: `AugmentedImages` with an order, `PreparedImages` without one.
        batch_size: Without an order, which has its own.
        pinned: In memory that a GPU copies from while it computes.
    """
    # A generator of its own: a loader would else draw from torch's, and dropout would depend on the loaders.
    return DataLoader(
        images,
        batch_size=1 if order else batch_size,  # torch's word for: the batch sampler says it
        batch_sampler=order,
        num_workers=workers,
        persistent_workers=workers > 0,
        prefetch_factor=_BATCHES_AHEAD if workers else None,
        pin_memory=pinned,
        generator=torch.Generator().manual_seed(seed),
    )
