"""Augmentation of training images. The random numbers for an image depend only on seed, epoch and index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from runfolio.vision._torchvision import v2

AUGMENTATIONS = ("none", "trivial", "randaugment", "flip-crop")
_PADDED_SHARE = 8
"""Ratio of the image size to the padding that `flip-crop` adds on each side. He et al., arXiv:1512.03385, pad images of
32 pixels with 4 pixels on each side."""


class Augmentation:
    """Augmentation of an image's pixels, before they are normalised. `none` changes nothing.

    `trivial` is TrivialAugmentWide (Müller and Hutter, arXiv:2103.10158). `randaugment` is RandAugment (Cubuk et al.,
    arXiv:1909.13719). `flip-crop` pads the image, crops it at a random position, and mirrors it with probability 0.5.
    """

    def __init__(self, name: str, *, height: int, width: int, seed: int) -> None:
        self._seed = seed
        self._steps = _steps(name, height, width)

    def __call__(self, pixels: torch.Tensor, *, epoch: int, index: int) -> torch.Tensor:
        """Return the augmented pixels, [c, h, w] uint8.

        Args:
            pixels: Pixels, [c, h, w] uint8.
            epoch: Number of the epoch, counted from 0.
            index: Index of the image in its source.
        """
        if self._steps is None:
            return pixels
        with seeded_generator(self._seed, epoch, index):
            return self._steps(pixels)


@contextmanager
def seeded_generator(*key: int) -> Iterator[None]:
    """Seed torch's CPU generator with a hash of `key`, and restore the generator's state afterwards."""
    (seed,) = np.random.SeedSequence(key).generate_state(1, np.uint64).tolist()
    state = torch.get_rng_state()
    try:
        # torch.manual_seed would also seed the generators of the GPU, which would change dropout.
        torch.default_generator.manual_seed(seed)
        yield
    finally:
        torch.set_rng_state(state)


def _steps(name: str, height: int, width: int) -> Callable[[torch.Tensor], Any] | None:
    if name == "none":
        return None
    if name == "flip-crop":
        margin = [width // _PADDED_SHARE, height // _PADDED_SHARE]
        random = [v2.RandomCrop([height, width], padding=margin, padding_mode="reflect"), v2.RandomHorizontalFlip()]
    else:
        random = [{"trivial": v2.TrivialAugmentWide, "randaugment": v2.RandAugment}[name]()]
    # For one image, Pillow is several times faster than tensor operations.
    return v2.Compose([v2.ToPILImage(), *random, v2.PILToTensor()])
