"""Mixup and CutMix. The random numbers for a batch depend only on the seed, the epoch number and the batch number."""

from __future__ import annotations

import torch

from runfolio.vision._torchvision import v2
from runfolio.vision.batches.augment import seeded_generator

_STREAM = 1
"""Number of the random stream for mixing. The stream differs from the stream for augmentation, so batch i and image i
use different random numbers."""


class Mixing:
    """Callable that mixes each image of a batch with another image, and mixes their labels in the same proportion.

    `mixup` blends whole images (Zhang et al., arXiv:1710.09412). `cutmix` pastes a rectangle of another image (Yun et
    al., arXiv:1905.04899). If both methods are on, one method is chosen at random for each batch.
    """

    def __init__(self, *, mixup: float, cutmix: float, classes: int, seed: int) -> None:
        """Set up the mixing.

        Args:
            mixup: Parameter alpha of the Beta distribution from which mixup draws the proportion. If 0, mixup is off.
            cutmix: The same parameter for CutMix. If 0, CutMix is off.
        """
        alphas = ((v2.MixUp, mixup), (v2.CutMix, cutmix))
        self._transforms = [transform(alpha=float(alpha), num_classes=classes) for transform, alpha in alphas if alpha]
        self._seed = seed

    def __call__(
        self, images: torch.Tensor, labels: torch.Tensor, *, epoch: int, batch: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mixed images, [b, c, h, w], and class probabilities, [b, classes]. If mixing is off, return `images`
        and `labels` unchanged.

        Args:
            images: Images, [b, c, h, w].
            labels: Classes, [b] int64.
        """
        if not self._transforms:
            return images, labels
        with seeded_generator(self._seed, epoch, batch, _STREAM):
            transform = self._transforms[int(torch.randint(len(self._transforms), ()))]
            return transform(images, labels)
