"""A multilayer perceptron with two hidden layers: the baseline a convolutional network has to beat."""

from __future__ import annotations

import math

import torch
from torch import nn


class MLP(nn.Module):
    def __init__(
        self, image_shape: tuple[int, int, int], classes: int, hidden_units: int, dropout: float = 0.0
    ) -> None:
        """Args:
        image_shape: (channels, height, width).
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
        """[b, c, h, w] to [b, classes] logits."""
        return self.layers(images)
