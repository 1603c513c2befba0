"""What loaders give, as the network takes it."""

from __future__ import annotations

import torch

from runfolio.vision.data.transform import ImageTransform


class Inputs:
    """Makes a batch of a loader ready for the network, where the batch is: on a GPU that costs next to nothing."""

    def __init__(self, transform: ImageTransform) -> None:
        self._transform = transform

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """[b, c, h, w] uint8 pixels to [b, c, h, w] float32, scaled and normalised; [b, d] features as they are."""
        return batch if batch.is_floating_point() else self._transform.normalised(batch)
