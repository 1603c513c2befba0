"""A backbone that is frozen, for good or for the first epochs."""

from __future__ import annotations

from torch import nn

from runfolio.vision.models.freezing import freeze_backbone
from runfolio.vision.settings import TrainSettings


class Freezing:
    """Which of a network's parameters train, and in which epochs.

    The head is trained first and the backbone follows, so that the gradients of a random head do not undo what the
    backbone has learned. Source: ULMFiT, Howard and Ruder, arXiv:1801.06146, section 3.3 (all of it at once here)
    """

    def __init__(self, model: nn.Module, settings: TrainSettings) -> None:
        """Args:
        model: Not frozen yet. What will never train no longer requires gradients afterwards; what will, does.
        """
        self._frozen_at_first = settings.freeze_backbone
        self._until = settings.unfreeze_after
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if settings.freeze_backbone:
            freeze_backbone(model)
        self._later: list[nn.Parameter] = []
        if self._until is not None:
            self._later = [parameter for parameter in trained if not parameter.requires_grad]
            self._let_train(True)

    def in_epoch(self, epoch: int) -> bool:
        """Whether the backbone is frozen behind so many epochs."""
        return self._frozen_at_first and (self._until is None or epoch < self._until)

    def is_to_end(self, epochs: int) -> bool:
        """Whether the backbone will train, but has not yet in the epochs that are done, which are so many."""
        return self._until is not None and epochs <= self._until

    def begin(self, epoch: int) -> None:
        """Let the backbone train in this epoch, or not."""
        self._let_train(not self.in_epoch(epoch))

    def _let_train(self, trains: bool) -> None:
        for parameter in self._later:
            parameter.requires_grad_(trains)
