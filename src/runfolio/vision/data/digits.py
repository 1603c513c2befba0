"""Data `digits`: 1,797 grey images of handwritten digits with 8x8 pixels each. They are part of the scikit-learn
package.

Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998, doi:10.24432/C50P49
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from runfolio.tracking.pipeline.arrays import digest
from runfolio.vision.data.base import ImageSource
from runfolio.vision.data.split import split_off

_BRIGHTEST = 16.0
_TEST_FRACTION = 0.2
_TEST_SEED = 0  # all runs are tested on the same images, so the seed of the run is not used


@dataclass(frozen=True, eq=False)
class DigitImages:
    """Training or test images of handwritten digits."""

    pixels: NDArray[np.uint8]
    """Pixels, [n, 8, 8]."""
    labels: NDArray[np.int64]
    """Classes, [n]."""
    name: str
    """Readable name of the set."""

    @property
    def in_files(self) -> bool:
        return False

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int, at_least: int | None = None) -> Image.Image:
        return Image.fromarray(self.pixels[index])

    def reference(self, index: int) -> str:
        return f"{self.name} image {index}"

    def digests(self) -> list[str]:
        return self._digests

    @cached_property
    def _digests(self) -> list[str]:
        return [digest(image) for image in self.pixels]


@cache  # the images are part of an installed package and do not change
def digits() -> ImageSource:
    """Return the digits as a stratified split into 80 % training images and 20 % test images."""
    bunch: Any = load_digits()
    pixels = np.rint(bunch.images * (255 / _BRIGHTEST)).astype(np.uint8)
    labels = bunch.target.astype(np.int64)
    train, test = split_off(labels, np.arange(len(labels)), fraction=_TEST_FRACTION, seed=_TEST_SEED)
    train_pixels = pixels[train] / 255
    return ImageSource(
        name="digits",
        classes=tuple(str(name) for name in bunch.target_names),
        channels=1,
        image_size=(8, 8),
        mean=(round(float(train_pixels.mean()), 4),),
        std=(round(float(train_pixels.std()), 4),),
        train=DigitImages(pixels[train], labels[train], "digits training"),
        test=DigitImages(pixels[test], labels[test], "digits test"),
    )
