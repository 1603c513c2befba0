"""Interface for sources of labelled images. Each kind of source has its own module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Mean and standard deviation of each channel, as expected by torchvision's pretrained networks.

Source: https://pytorch.org/vision/stable/models.html
"""


class ImageSet(Protocol):
    """Labelled images in a fixed order. Worker processes may call `image(i)`."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """Indices into the classes of the source, [n]."""
        ...

    @property
    def in_files(self) -> bool:
        """Return whether the images are files. A file is decoded at each access."""
        ...

    def __len__(self) -> int: ...

    def image(self, index: int, at_least: int | None = None) -> Image:
        """Return the picture in its stored mode and size.

        Args:
            index: Index of the image.
            at_least: Minimum size of the decoded picture (see `read_picture`).
        """
        ...

    def reference(self, index: int) -> str:
        """Return a readable name that is the same on all machines, such as `test/sushi/12.jpg` or `digits test image
        12`."""
        ...

    def digests(self) -> Sequence[str]:
        """Return the digest of each image. A digest covers the file, or the pixels if the image is not a file."""
        ...


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """Training and test images with the same classes. The test images never depend on the seed of a run."""

    name: str
    """Name under which the same images can be loaded again from any working folder."""
    classes: tuple[str, ...]
    channels: int
    """Number of channels: 1 for grey, 3 for colour."""
    image_size: tuple[int, int]
    """Default size of images for training, (height, width) in pixels."""
    mean: tuple[float, ...]
    """Mean of each channel, for normalising pixel values that are scaled to 0..1."""
    std: tuple[float, ...]
    """Standard deviation of each channel, for normalising."""
    train: ImageSet
    test: ImageSet
    val: NDArray[np.int64] | None = None
    """Indices of the validation images in `train`, or None if there is no validation folder."""
    value_range: tuple[float, float] | None = None
    """Lowest and highest value of training images with more than 8 bits per channel, or None if there are no such
    images."""
    notices: tuple[str, ...] = ()
    """Remarks about the interpretation of folders, ignored files and unusual images. Each remark is one line."""
    bad_images: tuple[str, ...] = ()
    """Images that are left out because they cannot be read. Each entry names the file and the reason."""


@dataclass(frozen=True, eq=False)
class RelabelledImages:
    """Existing images with new labels, for a source that has the same classes in a different order."""

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
