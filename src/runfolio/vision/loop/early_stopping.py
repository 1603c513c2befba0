"""Early stopping by the number of epochs since the best one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class EarlyStopping:
    """Counts the epochs since the best one. An equal score is not better, as in the choice of checkpoint `best`."""

    def __init__(self, patience: int | None) -> None:
        """Args:
        patience: Number of epochs that may pass without a better one; None: any number.
        """
        self._patience = patience
        self._best: float | None = None
        self.waited = 0
        """Epochs since the best."""

    def update(self, score: float) -> None:
        """Count an epoch by its score; higher is better, NaN never is."""
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
