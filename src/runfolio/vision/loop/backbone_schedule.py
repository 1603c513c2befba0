"""Freezing of a backbone, for all epochs or only for the first epochs."""

from __future__ import annotations

from torch import nn

from runfolio.vision.models.freezing import freeze_backbone
from runfolio.vision.settings import ModelConfig


class BackboneSchedule:
    """Schedule of the epochs in which the backbone is frozen.

    The head trains first. Otherwise, the gradients of a random head would destroy what the backbone has learned. The
    whole backbone is unfrozen at once. Source: ULMFiT, Howard and Ruder, arXiv:1801.06146, section 3.3
    """

    def __init__(self, model: nn.Module, settings: ModelConfig) -> None:
        """Freeze the backbone of `model` if no epoch trains it.

        Args:
            model: Network without frozen parameters.
        """
        self._is_frozen_at_first = settings.freeze_backbone
        self._frozen_epochs = settings.unfreeze_after
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if settings.freeze_backbone:
            freeze_backbone(model)
        self._backbone: list[nn.Parameter] = []
        if self._frozen_epochs is not None:
            self._backbone = [parameter for parameter in trainable if not parameter.requires_grad]
            self._set_trainable(True)

    def is_frozen(self, epoch: int) -> bool:
        """Return whether the backbone is frozen in `epoch`, counted from 0."""
        return self._is_frozen_at_first and (self._frozen_epochs is None or epoch < self._frozen_epochs)

    def is_pending(self, epochs_done: int) -> bool:
        """Return whether the backbone will train, but has not trained in the first `epochs_done` epochs."""
        return self._frozen_epochs is not None and epochs_done <= self._frozen_epochs

    def apply(self, epoch: int) -> None:
        """Freeze or unfreeze the backbone for `epoch`."""
        self._set_trainable(not self.is_frozen(epoch))

    def _set_trainable(self, is_trainable: bool) -> None:
        for parameter in self._backbone:
            parameter.requires_grad_(is_trainable)
