"""What a source of labelled images offers; each kind of source is one module beside this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image


class ImageSet(Protocol):
    """Labelled images in a fixed order. `image(i)` may be called from worker processes."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """[n] indices into the source's classes."""
        ...

    def __len__(self) -> int: ...

    def image(self, index: int) -> Image:
        """The picture as it is stored; the caller converts mode and size."""
        ...


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """Training and test images that share their classes. The test images never depend on a run's seed."""

    name: str
    classes: tuple[str, ...]
    channels: int
    """1 for grey, 3 for colour."""
    image_size: tuple[int, int]
    """(height, width) in pixels: what a run uses when it asks for no other."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """By channel, over the training images with pixel values scaled to 0..1."""
    train: ImageSet
    test: ImageSet
