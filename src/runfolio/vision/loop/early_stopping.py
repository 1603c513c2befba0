"""When to stop before the last epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class EarlyStopping:
    """Counts the epochs since the best one. As strict as what chooses checkpoint `best`: as good is no better."""

    def __init__(self, patience: int | None) -> None:
        """Args:
        patience: How many epochs may pass without a better one; None: any number.
        """
        self._patience = patience
        self._best: float | None = None
        self.waited = 0
        """Epochs since the best."""

    def saw(self, value: float) -> None:
        """An epoch came to this; higher is better, NaN is never."""
        if value == value and (self._best is None or value > self._best):
            self._best, self.waited = value, 0
        else:
            self.waited += 1

    @property
    def due(self) -> bool:
        return self._patience is not None and self.waited >= self._patience

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best, "waited": self.waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._best, self.waited = state["best"], state["waited"]
