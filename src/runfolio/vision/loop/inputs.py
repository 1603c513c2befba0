"""Conversion of a loader's batches to network inputs."""

from __future__ import annotations

import torch

from runfolio.vision.data.transform import ImageTransform


class Inputs:
    """Converter of batches to network inputs. The conversion runs on the device of the batch, and is fast on a GPU."""

    def __init__(self, transform: ImageTransform) -> None:
        self._transform = transform

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """Return [b, c, h, w] uint8 pixels as normalised float32. Return [b, d] features unchanged."""
        return batch if batch.is_floating_point() else self._transform.normalised(batch)
