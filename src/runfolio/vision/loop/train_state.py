"""State of a training run between two optimizer steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from runfolio.vision.loop.averaging import WeightAverage
from runfolio.vision.loop.backbone_schedule import BackboneSchedule
from runfolio.vision.loop.early_stopping import EarlyStopping
from runfolio.vision.loop.epoch_metrics import EpochMetrics
from runfolio.vision.loop.inputs import Inputs
from runfolio.vision.loop.mixing import Mixing
from runfolio.vision.loop.optimizers import make_optimizer, make_scheduler
from runfolio.vision.models.compiling import compile_network
from runfolio.vision.models.freezing import train_mode
from runfolio.vision.models.precision import Network, mixed_precision
from runfolio.vision.prepare import Preparation

UNAVERAGED = "unaveraged"
"""Checkpoint part for the trained weights. It exists if the part `model` contains the average of these weights."""

SETTINGS_OF_PARTS = ("optimizer", "ema", "precision")
"""Settings that determine the parts of a checkpoint."""


class TrainState:
    """Complete state of a training run between two optimizer steps.

    One optimizer step uses one or more batches. In the middle of an epoch, the state also holds the progress and the
    running totals.

    Attributes:
        settings: Settings of the run.
        images: Number of training images.
        device: Device of the network and its batches.
        model: Network that is trained.
        optimizer: Optimizer of `model`.
        scaler: Loss scaler. In fp16, it keeps small gradients from becoming zero. Otherwise, it does nothing.
        stopping: Early stopping.
        freezing: Schedule of the epochs in which the backbone is frozen.
        metrics: Sums over the images of the current epoch.
        epoch: Number of completed epochs.
        step: Number of completed optimizer steps.
        epoch_lr: Learning rate at the start of the current epoch.
        epoch_seconds: Duration of each completed epoch in seconds, including validation.
        epoch_values: Logged values of the last completed epoch.
    """

    def __init__(self, preparation: Preparation, schedule: Callable[[int], float] | None = None) -> None:
        """Build the network and its optimizer.

        Args:
            schedule: Function that returns the factor of the learning rate at a step. The default is the schedule of
                the settings.
        """
        settings = preparation.settings
        self.settings = settings
        self.images = len(preparation.train)
        self.device = torch.device(preparation.device)
        self.to_input = Inputs(preparation.transform)
        self.mixing = Mixing(
            mixup=settings.mixup, cutmix=settings.cutmix, classes=len(preparation.source.classes), seed=settings.seed
        )

        self.model: nn.Module = preparation.whole_network().to(self.device)
        self.freezing = BackboneSchedule(self.model, settings)
        self.optimizer = make_optimizer(self.model, settings, rate_decay=settings.rate_decay)
        self.freezing.apply(0)
        self._scheduler = make_scheduler(self.optimizer, settings, self.steps_per_epoch, schedule)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=settings.precision == "fp16")
        self._average = None if settings.ema is None else WeightAverage(self.model, settings.ema)
        self.train_forward = self._forward(self.model)
        self.predict_forward = self.train_forward if self._average is None else self._forward(self._average.model)

        self.epoch = 0
        self.step = 0
        self.epoch_lr = self.rate(0)
        self.epoch_seconds: list[float] = []
        self.epoch_values: dict[str, float] = {}
        self.stopping = EarlyStopping(settings.patience)
        self.metrics = EpochMetrics(self.device)

    def _forward(self, model: nn.Module) -> Network:
        """Return a function that calls `model` with the precision of the settings. The function is compiled if the
        settings request it."""
        network = mixed_precision(model, self.device, self.settings.precision)
        return compile_network(network, self.settings.resolved_batch_size) if self.settings.compile else network

    @property
    def batches_per_epoch(self) -> int:
        return math.ceil(self.images / self.settings.resolved_batch_size)

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.batches_per_epoch / self.settings.accumulate)

    @property
    def steps_left(self) -> int:
        """Number of remaining steps in the current epoch."""
        return (self.epoch + 1) * self.steps_per_epoch - self.step

    @property
    def batches_done(self) -> int:
        """Number of completed batches in the current epoch."""
        return (self.steps_per_epoch - self.steps_left) * self.settings.accumulate

    @property
    def progress(self) -> dict[str, float]:
        """Number of epochs (`epoch`) and number of images trained on (`samples`). The number of epochs includes the
        fraction of the current epoch."""
        epochs, steps = divmod(self.step, self.steps_per_epoch)
        samples_per_step = self.settings.accumulate * self.settings.resolved_batch_size
        return {
            "epoch": self.step / self.steps_per_epoch,
            "samples": epochs * self.images + steps * samples_per_step,
        }

    @property
    def is_over(self) -> bool:
        """Return whether all epochs are completed, or early stopping applies."""
        return self.epoch >= self.settings.epochs or self.stopping.is_due

    @property
    def is_frozen(self) -> bool:
        """Return whether the backbone is frozen in the current epoch."""
        return self.freezing.is_frozen(self.epoch)

    @property
    def trainable_parameters(self) -> int:
        """Number of parameters that train in the current epoch."""
        return sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def predicting(self) -> nn.Module:
        """Network to predict with: the weight average if there is one, and `model` otherwise."""
        return self.model if self._average is None else self._average.model

    def rate(self, step: int, stage: int = 0) -> float:
        """Return the learning rate of a stage after `step` steps. Stage 0 is the head."""
        return float(self._scheduler.base_lrs[stage] * self._scheduler.lr_lambdas[stage](step))

    @property
    def epoch_rates(self) -> dict[str, float]:
        """Learning rates at the start of the epoch. `lr` is the rate of the head. `lr/backbone` exists if the backbone
        has its own rate.

        `lr/backbone` is the rate of the stage next to the head. It is 0 while the backbone is frozen.
        """
        rates = {"lr": self.epoch_lr}
        if self.settings.unfreeze_after is not None or len(self.optimizer.param_groups) > 1:
            rates["lr/backbone"] = self.epoch_lr * self.settings.rate_decay * (not self.is_frozen)
        return rates

    def start_epoch(self) -> None:
        """Put the network into training mode, and freeze the parameters that this epoch does not train."""
        self.freezing.apply(self.epoch)
        train_mode(self.model, frozen_backbone=self.is_frozen)

    def update(self) -> None:
        """Take one optimizer step with the accumulated gradients."""
        if self.settings.clip is not None:
            self.scaler.unscale_(self.optimizer)
            parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self.settings.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self._scheduler.step()
        if self._average is not None:
            self._average.update()
        self.step += 1

    def end_epoch(self, values: dict[str, float], score: float) -> None:
        """Count the epoch as completed.

        Args:
            values: Logged values of the epoch.
            score: Value that determines the best epoch. Higher is better.
        """
        self.epoch += 1
        self.epoch_lr = self.rate(self.step)
        self.epoch_values = values
        self.epoch_seconds.append(values["epoch_seconds"])
        self.stopping.update(score)
        if self.freezing.is_pending(self.epoch):
            self.stopping.waited = 0
        self.metrics = EpochMetrics(self.device)

    def checkpoint_parts(self) -> dict[str, Any]:
        """Return the parts of a checkpoint, for `run.checkpoint` and `run.restore`.

        The part `model` is the network for predictions. If it is a weight average, the trained weights form an
        additional part.
        """
        return {
            "model": self.predicting,
            **({} if self._average is None else {UNAVERAGED: self.model}),
            "optimizer": self.optimizer,
            "scheduler": self._scheduler,
            "scaler": self.scaler,
            "stopping": self.stopping,
            "tally": self.metrics,
            "training": self,
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the counters, and the settings that a fork compares with its own settings."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "epoch_lr": self.epoch_lr,
            "epoch_seconds": self.epoch_seconds,
            "figures": self.epoch_values,
            "settings": {name: getattr(self.settings, name) for name in SETTINGS_OF_PARTS},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.epoch = state["epoch"]
        self.step = state["step"]
        self.epoch_lr = state["epoch_lr"]
        self.epoch_seconds = state["epoch_seconds"]
        self.epoch_values = state["figures"]
