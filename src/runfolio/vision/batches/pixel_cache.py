"""Disk cache of the decoded and resized pixels of image files, shared by epochs, worker processes and runs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from runfolio.vision.batches.cache_budget import PIXELS, evict_to_fit, open_row_store
from runfolio.vision.batches.cache_keys import image_ids, package_versions
from runfolio.vision.data.base import ImageSet
from runfolio.vision.data.transform import ImageTransform

if TYPE_CHECKING:
    from rich.progress import Progress

_IDS = 2**64


class CachedPixels:
    """Cached pixels of image files, transformed but not normalised. The object can be passed to worker processes."""

    def __init__(
        self,
        images: ImageSet,
        transform: ImageTransform,
        chosen: NDArray[np.int64] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Open the cache without decoding images.

        Args:
            chosen: Indices of the requested images. The default is all images.
            progress: Progress display for reading new files.

        Raises:
            CacheUnavailable: Nothing can be cached.
            DamagedFile: A file cannot be read as an image.
        """
        self._images = images
        self._transform = transform
        self._chosen = (np.arange(len(images)) if chosen is None else chosen).tolist()
        self._ids = image_ids(images, self._chosen, progress)
        geometry = {key: value for key, value in transform.as_meta().items() if key not in ("mean", "std")}
        self._rows = open_row_store(
            PIXELS, {"transform": geometry, "versions": package_versions()}, transform.size_bytes
        )
        missing = len({row_id for row_id in self._ids if row_id not in self._rows}) * transform.size_bytes
        self.share = evict_to_fit(missing) / missing if missing else 1.0
        """Fraction of the uncached images that fit into the cache. The other images are decoded in each epoch."""

    def __len__(self) -> int:
        return len(self._ids)

    def pixels(self, position: int) -> torch.Tensor:
        """Return the pixels of a chosen image, [c, h, w] uint8.

        Raises:
            NotFound: The image is not cached and its file does not exist.
            DamagedFile: The image is not cached and its file cannot be read.
        """
        row_id = self._ids[position]
        row = self._rows.read(row_id)
        if row is None and self._has_room_for(row_id):
            with contextlib.suppress(OSError):
                self._rows.refresh()  # another process may have decoded the image
            row = self._rows.read(row_id)
        if row is not None:
            return torch.from_numpy(row).reshape(self._transform.channels, self._transform.height, -1)
        pixels = self._transform.pixels_of(self._images, self._chosen[position])
        if self._has_room_for(row_id):
            try:
                self._rows.add([row_id], pixels.numpy().reshape(1, -1))
            except OSError:
                self.share = 0.0  # the disk is full or read-only: continue without the cache
        return pixels

    def _has_room_for(self, row_id: bytes) -> bool:
        """Return whether the cache has room for an image. The result depends only on the image's id, so it is the same
        in all processes."""
        return int.from_bytes(row_id[:8], "little") < self.share * _IDS
