"""Early stopping based on the number of epochs since the best epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class EarlyStopping:
    """Counter of the epochs since the best epoch. An equal score does not count as an improvement. The checkpoint
    `best` is chosen by the same rule."""

    def __init__(self, patience: int | None) -> None:
        """Start the counter at 0.

        Args:
            patience: Number of epochs without improvement before training stops. If None, there is no limit.
        """
        self._patience = patience
        self._best: float | None = None
        self.waited = 0
        """Number of epochs since the best epoch."""

    def update(self, score: float) -> None:
        """Count an epoch. A higher score is better. NaN is never better."""
        if score == score and (self._best is None or score > self._best):
            self._best, self.waited = score, 0
        else:
            self.waited += 1

    @property
    def is_due(self) -> bool:
        return self._patience is not None and self.waited >= self._patience

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best, "waited": self.waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._best, self.waited = state["best"], state["waited"]
