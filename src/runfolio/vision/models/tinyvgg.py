"""TinyVGG: two blocks, each with two 3x3 convolutions and a pooling layer, followed by one linear layer.

Source: CNN Explainer, Wang et al., IEEE TVCG 2020, doi:10.1109/TVCG.2020.3030418. This version adds padding,
and accepts images of at least 4x4 pixels.
"""

from __future__ import annotations

import torch
from torch import nn


class TinyVGG(nn.Module):
    """Small convolutional network."""

    def __init__(
        self, image_shape: tuple[int, int, int], classes: int, hidden_units: int, dropout: float = 0.0
    ) -> None:
        """Create the layers.

        Args:
            image_shape: (channels, height, width); height and width are at least 4.
            classes: Number of classes.
            hidden_units: Number of channels of each convolution.
            dropout: Dropout probability before the last layer.
        """
        super().__init__()
        channels, height, width = image_shape
        self.block_1 = _block(channels, hidden_units)
        self.block_2 = _block(hidden_units, hidden_units)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(hidden_units * (height // 4) * (width // 4), classes),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map [b, c, h, w] images to [b, classes] logits."""
        return self.classifier(self.block_2(self.block_1(images)))


def _block(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels_out, channels_out, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )
