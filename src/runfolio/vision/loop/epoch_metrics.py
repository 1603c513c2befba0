"""Loss and accuracy of one pass over images.

Both are means over images, so a smaller last batch has a smaller weight. The sums stay on the device until the pass
ends, so the loop does not wait for a GPU after each batch.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch


class EpochResult(NamedTuple):
    """Loss, accuracy, size and duration of one pass."""

    loss: float
    """Mean cross-entropy per image. It is NaN or infinite if the loss of any batch is NaN or infinite."""
    accuracy: float
    """Fraction of the images that were predicted correctly. If images are mixed (mixup or CutMix), the true class is
    the class with the largest share."""
    images: int
    seconds: float

    def metrics(self, split: str) -> dict[str, float]:
        """Return loss and accuracy by metric name."""
        return {f"{split}/loss": self.loss, f"{split}/acc": self.accuracy}


class EpochMetrics:
    """Sums over the images of one pass. A checkpoint stores the sums of an unfinished pass."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(2, dtype=torch.float64, device=device)
        self._images = 0
        self._seconds = 0.0
        self._start = time.perf_counter()

    def add(self, mean_loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Add a batch: its mean loss, [b, classes] logits, and [b] int64 labels or [b, classes] class probabilities."""
        images = len(labels)
        truths = labels if labels.ndim == 1 else labels.argmax(dim=1)
        correct = (logits.detach().argmax(dim=1) == truths).sum()
        self._sums += torch.stack([mean_loss.detach().double() * images, correct.double()])
        self._images += images

    def start(self) -> None:
        """Restart the clock. The time since the last call, or since a checkpoint was loaded, is not counted."""
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds spent on the pass so far, including the time before the run was resumed."""
        return self._seconds + time.perf_counter() - self._start

    def result(self) -> EpochResult:
        """Return the means over the images added so far."""
        loss, correct = self._sums.tolist()
        return EpochResult(loss / self._images, correct / self._images, self._images, self.seconds)

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self._sums, "images": self._images, "seconds": self.seconds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._sums.copy_(state["sums"])
        self._images, self._seconds = state["images"], state["seconds"]
        self._start = time.perf_counter()
