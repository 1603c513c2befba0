"""What a source of labelled images offers; each kind of source is one module beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""What every pretrained network of torchvision expects of photographs, by channel.

Source: https://pytorch.org/vision/stable/models.html
"""


class ImageSet(Protocol):
    """Labelled images in a fixed order. `image(i)` may be called from worker processes."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """[n] indices into the source's classes."""
        ...

    @property
    def in_files(self) -> bool:
        """Whether each look at an image opens a file and decodes it."""
        ...

    def __len__(self) -> int: ...

    def image(self, index: int, at_least: int | None = None) -> Image:
        """The picture as it is stored; the caller converts mode and size. For `at_least` see `read_picture`."""
        ...

    def reference(self, index: int) -> str:
        """What people call it: `test/sushi/12.jpg`, `digits test image 12`; the same on every machine."""
        ...

    def digests(self) -> Sequence[str]:
        """Of each image, in order: equal for equal files, or pixels where they are no files."""
        ...


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """Training and test images that share their classes. The test images never depend on a run's seed."""

    name: str
    """Leads to the same images again, from any working folder."""
    classes: tuple[str, ...]
    channels: int
    """1 for grey, 3 for colour."""
    image_size: tuple[int, int]
    """(height, width) in pixels: what a run uses when it asks for no other."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """By channel, with pixel values scaled to 0..1: what they are normalised by."""
    train: ImageSet
    test: ImageSet
    val: NDArray[np.int64] | None = None
    """Indices into `train` of the images that the data itself keeps for validation; None: it keeps none."""
    value_range: tuple[float, float] | None = None
    """Lowest and highest value of training images of more than 8 bits; None: it has none of them."""
    notices: tuple[str, ...] = ()
    """Remarks on how the folders were understood, on files left out and on unusual images, one line each."""
    bad_images: tuple[str, ...] = ()
    """Those left out because they cannot be read, a line each: the file and the reason."""


@dataclass(frozen=True, eq=False)
class RelabelledImages:
    """The images of a set whose source lists the same classes in another order."""

    images: ImageSet
    labels: NDArray[np.int64]

    @property
    def in_files(self) -> bool:
        return self.images.in_files

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int, at_least: int | None = None) -> Image:
        return self.images.image(index, at_least)

    def reference(self, index: int) -> str:
        return self.images.reference(index)

    def digests(self) -> Sequence[str]:
        return self.images.digests()
