"""Mixup and CutMix. The random numbers of a batch depend only on seed, epoch and batch."""

from __future__ import annotations

import torch

from runfolio.vision._torchvision import v2
from runfolio.vision.batches.augment import seeded_generator

_STREAM = 1
"""Random stream of the mixing, separate from the augmentation of the image with the batch's number."""


class Mixing:
    """Mixer of each image of a batch with another one, and of their labels in the same proportion.

    `mixup` blends whole images (Zhang et al., arXiv:1710.09412). `cutmix` pastes a rectangle of another image (Yun et
    al., arXiv:1905.04899). If both are on, each batch gets one of them at random.
    """

    def __init__(self, *, mixup: float, cutmix: float, classes: int, seed: int) -> None:
        """Set up the mixing.

        Args:
            mixup: Parameter alpha of the Beta distribution of the proportion; 0: off.
            cutmix: The same for CutMix.
        """
        alphas = ((v2.MixUp, mixup), (v2.CutMix, cutmix))
        self._transforms = [transform(alpha=float(alpha), num_classes=classes) for transform, alpha in alphas if alpha]
        self._seed = seed

    def __call__(
        self, images: torch.Tensor, labels: torch.Tensor, *, epoch: int, batch: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mixed [b, c, h, w] images and [b, classes] float32 class shares; unchanged inputs if mixing is off.

        Args:
            images: Images, [b, c, h, w].
            labels: Classes, [b] int64.
        """
        if not self._transforms:
            return images, labels
        with seeded_generator(self._seed, epoch, batch, _STREAM):
            transform = self._transforms[int(torch.randint(len(self._transforms), ()))]
            return transform(images, labels)
