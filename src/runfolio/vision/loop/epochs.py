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

OnBatch = Callable[[torch.Tensor], object]
"""Callback that runs after each evaluated batch. Its argument is a tensor of logits on the device."""
OnStep = Callable[[torch.Tensor], None]
"""Callback that runs after each optimizer step. Its argument is a tensor on the device with the step's mean loss."""


class Evaluation(NamedTuple):
    """Result of a pass without training, and the predictions in the order of the images."""

    result: EpochResult
    predicted: torch.Tensor
    """Predicted classes, [n] int64 on the CPU. `labels` has the same format."""
    labels: torch.Tensor


def train_epoch(state: TrainState, batches: Batches, on_step: OnStep) -> EpochResult:
    """Train on the remaining batches of the current epoch, and return the result of the whole epoch."""
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
    """Accumulate the gradients of a batch, and return the batch's contribution to the step's mean loss.

    The contribution is weighted by the number of images, so the step has the same gradients as one large batch.

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
            f"BatchNorm cannot train on a batch of one image, and {state.images:,} images in batches of"
            f" {state.settings.resolved_batch_size} end with such a batch; use a different --batch-size or"
            " --freeze-backbone"
        ) from None


@torch.no_grad()
def evaluate(state: TrainState, batches: Batches, on_batch: OnBatch | None = None) -> Evaluation:
    """Compute loss and predictions for every image. Labels are not smoothed, so losses are comparable between runs."""
    state.predicting.eval()
    metrics = EpochMetrics(state.device)
    predictions, truths = [], []
    for images, labels in batches:
        logits = state.predict_forward(state.to_input(images))
        metrics.add(functional.cross_entropy(logits, labels), logits, labels)
        predictions.append(logits.argmax(dim=1))
        truths.append(labels)
        if on_batch is not None:
            on_batch(logits)
    return Evaluation(metrics.result(), torch.cat(predictions).cpu(), torch.cat(truths).cpu())
