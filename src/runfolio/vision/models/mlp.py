"""Multilayer perceptron with two hidden layers. It is a baseline for convolutional networks."""

from __future__ import annotations

import math

import torch
from torch import nn


class MLP(nn.Module):
    """Multilayer perceptron."""

    def __init__(
        self, image_shape: tuple[int, int, int], classes: int, hidden_units: int, dropout: float = 0.0
    ) -> None:
        """Create the layers.

        Args:
            image_shape: (channels, height, width).
            classes: Number of classes.
            hidden_units: Number of units in each hidden layer.
            dropout: Dropout probability before the last layer.
        """
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(image_shape), hidden_units),
            nn.ReLU(),
            nn.Linear(hidden_units, hidden_units),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_units, classes),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map [b, c, h, w] images to [b, classes] logits."""
        return self.layers(images)
