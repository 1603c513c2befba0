"""Loss and accuracy of one pass over images.

They are counted per image: sums over images, divided by their number, so a smaller last batch weighs what it should.
The sums stay on the device until the pass ends; no batch waits for a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch


class Figures(NamedTuple):
    """What one pass came to."""

    loss: float
    """Mean cross-entropy an image; NaN or infinite where a batch's was."""
    accuracy: float
    """Share of the images whose most probable class is the true one; of mixed images, the one they have most of."""
    images: int
    seconds: float


class Tally:
    """Sums over the images of one pass; as part of a checkpoint, those of a pass that is to be gone on with."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(2, dtype=torch.float64, device=device)
        self._images = 0
        self._seconds = 0.0
        self._began = time.perf_counter()

    def add(self, mean_loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Count a batch: its mean loss, [b, classes] logits, and [b] int64 labels or [b, classes] shares of classes."""
        images = len(labels)
        truths = labels if labels.ndim == 1 else labels.argmax(dim=1)
        correct = (logits.detach().argmax(dim=1) == truths).sum()
        self._sums += torch.stack([mean_loss.detach().double() * images, correct.double()])
        self._images += images

    def start(self) -> None:
        """The pass begins, or goes on, now: what went before was something else."""
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Spent on the pass so far, in all attempts."""
        return self._seconds + time.perf_counter() - self._began

    def figures(self) -> Figures:
        loss, correct = self._sums.tolist()
        return Figures(loss / self._images, correct / self._images, self._images, self.seconds)

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self._sums, "images": self._images, "seconds": self.seconds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._sums.copy_(state["sums"])
        self._images, self._seconds = state["images"], state["seconds"]
        self._began = time.perf_counter()
