"""Passes over images: training and evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional

from runfolio.errors import ConfigError
from runfolio.vision.loop.epoch_metrics import EpochMetrics, EpochResult
from runfolio.vision.loop.input_pipeline import Batches
from runfolio.vision.loop.train_state import TrainState

OnStep = Callable[[torch.Tensor], None]
"""Gets the mean loss of each step's images, still on the device, after the step was counted."""


class Evaluation(NamedTuple):
    """A pass without training, with every prediction, in the order of the images."""

    result: EpochResult
    predicted: torch.Tensor
    """[n] int64, on the CPU, as is `labels`."""
    labels: torch.Tensor


def train_epoch(state: TrainState, batches: Batches, on_step: OnStep) -> EpochResult:
    """Train on the batches that are left of the current epoch; the result is that of the whole epoch."""
    state.metrics.start()
    if not state.steps_left:
        return state.metrics.result()
    accumulate, last = state.settings.accumulate, state.batches_per_epoch - 1
    state.start_epoch()
    step_loss = torch.zeros((), device=state.device)
    for index, (images, labels) in enumerate(batches, start=state.batches_done):
        step_loss = step_loss + _backward(state, images, labels, index)
        if (index + 1) % accumulate == 0 or index == last:
            state.update()
            on_step(step_loss)
            step_loss = torch.zeros_like(step_loss)
    return state.metrics.result()


def _backward(state: TrainState, images: torch.Tensor, labels: torch.Tensor, index: int) -> torch.Tensor:
    """Add a batch's gradients to those of its step; return the batch's share of the step's mean loss.

    The share is weighted by the number of images, so that the gradients are those of one batch of all images of the
    step.

    Args:
        index: Number of the batch in its epoch.
    """
    settings = state.settings
    images_per_step = settings.accumulate * settings.resolved_batch_size
    images_of_step = min(images_per_step, state.images - index // settings.accumulate * images_per_step)
    inputs, targets = state.mixing(state.to_input(images), labels, epoch=state.epoch, batch=index)
    logits = _train_logits(state, inputs)
    loss = functional.cross_entropy(logits, targets, label_smoothing=settings.label_smoothing)
    share = loss * (len(inputs) / images_of_step)
    state.scaler.scale(share).backward()
    state.metrics.add(loss, logits, targets)
    return share.detach()


def _train_logits(state: TrainState, inputs: torch.Tensor) -> torch.Tensor:
    try:
        return state.train_forward(inputs)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ConfigError(
            f"a batch of one image is nothing that the network's BatchNorm can be trained on;"
            f" {state.images:,} images in batches of {state.settings.resolved_batch_size} end with one:"
            " give another --batch-size, or --freeze-backbone"
        ) from None


@torch.no_grad()
def evaluate(state: TrainState, batches: Batches, on_batch: Callable[[], None] | None = None) -> Evaluation:
    """Compute loss (without label smoothing, so that settings compare) and predictions for every image."""
    state.predicting.eval()
    metrics = EpochMetrics(state.device)
    predictions, truths = [], []
    for images, labels in batches:
        logits = state.predict_forward(state.to_input(images))
        metrics.add(functional.cross_entropy(logits, labels), logits, labels)
        predictions.append(logits.argmax(dim=1))
        truths.append(labels)
        if on_batch is not None:
            on_batch()
    return Evaluation(metrics.result(), torch.cat(predictions).cpu(), torch.cat(truths).cpu())
