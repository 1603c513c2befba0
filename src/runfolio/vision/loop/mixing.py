"""Training images mixed with each other, batch by batch: drawn from (seed, epoch, batch) and nothing else."""

from __future__ import annotations

import torch

from runfolio.vision._torchvision import v2
from runfolio.vision.batches.augment import seeded_generator

_STREAM = 1
"""Keeps what is drawn for a batch apart from what is drawn for the image of the same number."""


class Mixing:
    """Mixes each image of a batch with another one, and their labels in the same proportion.

    `mixup` blends whole images (Zhang et al., arXiv:1710.09412), `cutmix` puts a rectangle of one into the other
    (Yun et al., arXiv:1905.04899); of both, each batch gets one or the other. Off where neither is above 0.
    """

    def __init__(self, *, mixup: float, cutmix: float, classes: int, seed: int) -> None:
        """Args:
        mixup, cutmix: alpha of the Beta distribution that the proportion is drawn from; 0: not so.
        """
        kinds = ((v2.MixUp, mixup), (v2.CutMix, cutmix))
        self._ways = [kind(alpha=float(alpha), num_classes=classes) for kind, alpha in kinds if alpha]
        self._seed = seed

    def __call__(
        self, images: torch.Tensor, labels: torch.Tensor, *, epoch: int, batch: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """[b, c, h, w] images and [b] int64 labels to [b, c, h, w] and [b, classes] float32, the share of each class.

        Off: the images and labels as they are.
        """
        if not self._ways:
            return images, labels
        with seeded_generator(self._seed, epoch, batch, _STREAM):
            way = self._ways[int(torch.randint(len(self._ways), ()))]
            return way(images, labels)
