"""Random changes to training images, the same in every process: drawn from (seed, epoch, index) and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from runfolio.vision._torchvision import v2

AUGMENTATIONS = ("none", "trivial", "randaugment", "flip-crop")
_PADDED_SHARE = 8
"""flip-crop pads each side with an eighth of the image: the 4 pixels of 32 of He et al., arXiv:1512.03385."""


class Augmentation:
    """Changes an image's pixels before they are normalised. `none` leaves them as they are.

    `trivial` is TrivialAugmentWide (Müller and Hutter, arXiv:2103.10158), `randaugment` RandAugment (Cubuk et al.,
    arXiv:1909.13719), `flip-crop` a random crop of the padded image, mirrored half of the time.
    """

    def __init__(self, name: str, *, height: int, width: int, seed: int) -> None:
        self._seed = seed
        self._steps = _steps(name, height, width)

    def __call__(self, pixels: torch.Tensor, *, epoch: int, index: int) -> torch.Tensor:
        """[c, h, w] uint8 to [c, h, w] uint8; `index` is the image's place in the source."""
        if self._steps is None:
            return pixels
        with seeded_generator(self._seed, epoch, index):
            return self._steps(pixels)


@contextmanager
def seeded_generator(*key: int) -> Iterator[None]:
    """Inside, torch's CPU generator gives what belongs to these numbers; afterwards it goes on where it was."""
    (seed,) = np.random.SeedSequence(key).generate_state(1, np.uint64).tolist()
    before = torch.get_rng_state()
    try:
        # Not torch.manual_seed, which would seed the GPU's generators too, and with them dropout.
        torch.default_generator.manual_seed(seed)
        yield
    finally:
        torch.set_rng_state(before)


def _steps(name: str, height: int, width: int) -> Callable[[torch.Tensor], Any] | None:
    if name == "none":
        return None
    if name == "flip-crop":
        margin = [width // _PADDED_SHARE, height // _PADDED_SHARE]
        random = [v2.RandomCrop([height, width], padding=margin, padding_mode="reflect"), v2.RandomHorizontalFlip()]
    else:
        random = [{"trivial": v2.TrivialAugmentWide, "randaugment": v2.RandAugment}[name]()]
    # Pillow's operations take a fraction of the time that tensor operations need on one image.
    return v2.Compose([v2.ToPILImage(), *random, v2.PILToTensor()])
