"""Everything that changes while a network trains, and the passes over images that change it."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset

from runfolio.errors import ConfigError
from runfolio.vision.batches.augment import Augmentation
from runfolio.vision.batches.cache_budget import CannotCache
from runfolio.vision.batches.loaders import (
    AugmentedImages,
    EpochOrder,
    Labelled,
    PreparedImages,
    batches,
    suited_workers,
)
from runfolio.vision.features.feature_cache import CachedFeatures
from runfolio.vision.features.feature_datasets import Served, can_serve, serve
from runfolio.vision.loop.averaging import WeightAverage
from runfolio.vision.loop.early_stopping import EarlyStopping
from runfolio.vision.loop.epoch_metrics import Figures, Tally
from runfolio.vision.loop.inputs import Inputs
from runfolio.vision.loop.mixing import Mixing
from runfolio.vision.loop.optimizers import make_optimizer, make_scheduler
from runfolio.vision.loop.unfreezing import Freezing
from runfolio.vision.models.compiling import Network, compiled
from runfolio.vision.models.freezing import train_mode
from runfolio.vision.prepare import PARTS, Part, Preparation

if TYPE_CHECKING:
    from rich.progress import Progress

    from runfolio.vision.models import ModelSpec

Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]
"""([b, c, h, w] uint8 pixels, or [b, size] features, with [b] int64 labels), on the device."""


class Loaders(NamedTuple):
    """Batches of each part of the data."""

    train: Batches
    val: Batches | None
    test: Batches


UNAVERAGED = "unaveraged"
"""The part of a checkpoint that holds the weights in training, where `model` is their average."""

_COUNTED = ("epoch", "step", "epoch_lr", "epoch_seconds", "figures")
"""What a training is in, beside what has a state of its own."""
_SHAPING = ("optimizer", "ema", "precision")
"""Settings that a checkpoint's parts depend on."""
_PRECISIONS: Mapping[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}
"""What Fabric calls them."""
_PREDICT_WARM_UP, _PREDICT_REPEATS, _PREDICT_AT_MOST_S = 5, 100, 0.2
_NETWORKS_AT_MOST = 64
_predict_ms: dict[tuple[ModelSpec, str, str, bool], float] = {}
"""Measured times by network, precision, device and compilation: the runs of a series mostly share one network."""


def _nothing() -> None:
    """What happens between two batches, where nobody asks for more."""


def _unchanged(image_batches: Batches) -> Batches:
    return image_batches


class Evaluation(NamedTuple):
    """A pass without training, with every answer, in the order of the images."""

    figures: Figures
    predicted: torch.Tensor
    """[n] int64, on the CPU, as is `labels`."""
    labels: torch.Tensor


class Training:
    """A network in training: its state, and the verbs `train_epoch` and `evaluate`.

    A step is one of the optimizer, from one batch or several. Between two steps all there is to the training is its
    `state`; of an epoch that is not done, that is how far it has come and what it came to so far.

    Attributes:
        model: The network in training.
        epoch: Epochs done: trained, validated, and their figures told by `end_epoch`.
        step: Optimizer steps done.
        epoch_seconds: Of each epoch done, validation included.
        figures: What the newest epoch came to, as it was logged.
        stopping: Whether the epochs still get better.
        steps_per_epoch: Optimizer steps of an epoch.
        epoch_lr: The learning rate that this epoch began with.
    """

    def __init__(self, preparation: Preparation, schedule: Callable[[int], float] | None = None) -> None:
        """Args:
        schedule: Instead of the settings': what the learning rate is multiplied with at each step.
        """
        settings, source, spec = preparation.settings, preparation.source, preparation.spec
        self._preparation = preparation
        self._settings = settings
        self._chosen_by = preparation.chosen_by
        self._images = len(preparation.train)
        self._fabric = Fabric(
            accelerator=preparation.device,
            devices=1,
            precision=_PRECISIONS[settings.precision],
        )
        train = PreparedImages(source.train, preparation.train, preparation.transform)
        augmented = AugmentedImages(
            train, Augmentation(settings.augment, height=spec.height, width=spec.width, seed=settings.seed)
        )
        self._mixing = Mixing(
            mixup=settings.mixup, cutmix=settings.cutmix, classes=len(source.classes), seed=settings.seed
        )
        val = PreparedImages(source.train, preparation.val, preparation.transform)
        self._test = PreparedImages(source.test, preparation.test, preparation.transform)
        self._prepared = (train, val, self._test)
        self._inputs = Inputs(preparation.transform)
        self._order = EpochOrder(len(train), settings.images_at_once, settings.seed)
        self._of_images = Loaders(
            self._batches(augmented, are_ready=train.keeps, order=self._order),
            self._batches(val, are_ready=val.keeps) if len(val) else None,
            self._batches(self._test, are_ready=self._test.keeps),
        )
        self._of_features: Loaders | None = None
        self._features: Served | None = None
        self.steps_per_epoch = math.ceil(len(self._order) / settings.accumulate)

        self.model: nn.Module = preparation.whole_network()
        self._freezing = Freezing(self.model, settings)
        self.optimizer = make_optimizer(self.model, settings)
        self._freezing.begin(0)
        self._scheduler = make_scheduler(self.optimizer, settings, self.steps_per_epoch, schedule)
        self._network, self._stepper = self._fabric.setup(self.model, self.optimizer)
        self._average = None if settings.ema is None else WeightAverage(self.model, settings.ema)
        self._predictor = self._network if self._average is None else self._fabric.setup(self._average.model)
        self._train_forward, self._predict_forward = self._forwards()
        self.epoch = 0
        self.step = 0
        self.epoch_lr = self.rate(0)
        self.epoch_seconds: list[float] = []
        self.figures: dict[str, float] = {}
        self.stopping = EarlyStopping(settings.patience)
        self._tally = Tally(self._fabric.device)

    def _forwards(self) -> tuple[Network, Network]:
        """Of the network in training and of the one that predicts."""
        if not self._settings.compile:
            return self._network, self._predictor
        training = compiled(self._network, self._settings.images_at_once)
        return training, training if self._average is None else compiled(self._predictor, self._settings.images_at_once)

    def _batches(self, images: Dataset[Labelled], *, are_ready: bool, order: EpochOrder | None = None) -> Batches:
        settings, device = self._settings, self._fabric.device.type
        workers = 0 if isinstance(images, CachedFeatures) else settings.workers
        loader = batches(
            images,
            batch_size=settings.images_at_once,
            workers=suited_workers(device, are_ready=are_ready) if workers is None else workers,
            seed=settings.seed,
            order=order,
            pinned=device == "cuda",
        )
        return cast("Batches", self._fabric.setup_dataloaders(loader))

    def open_cache(self, progress: Progress | None, parts: Container[Part] = PARTS) -> list[str]:
        """Take what was computed of the images before, and compute what is missing; once the weights are there.

        Args:
            parts: Those that will be looked at.

        Returns:
            What cannot be kept, and why, a sentence each.

        Raises:
            DamagedFile: An image cannot be read.
        """
        told: list[str] = []
        if can_serve(self._settings) and self._freezing.in_epoch(self.epoch):
            try:
                self._open_features(progress, parts)
            except CannotCache as reason:
                told.append(f"goes through the whole network in each epoch: {reason}")
        # Of a backbone that is never trained nobody looks at the pixels again.
        if self._settings.cache and (self._features is None or self._settings.unfreeze_after is not None):
            told.extend(self._open_pixels(progress))
        return told

    def _open_pixels(self, progress: Progress | None) -> Iterator[str]:
        try:
            share = min(images.keep_on_disk(progress) for images in self._prepared if len(images))
        except CannotCache as reason:
            yield f"decodes its images in each epoch: {reason}"
            return
        if share < 1:
            yield (
                f"decodes some of its images in each epoch: the cache's budget (`runfolio cache --budget`) and the disk"
                f" have room for the pixels of {share:.0%} of those that are not kept yet"
            )

    def _open_features(self, progress: Progress | None, parts: Container[Part]) -> None:
        self._features = serve(self._preparation, self.model, progress, parts)
        kept = self._features
        self._of_features = Loaders(
            self._batches(kept.train, are_ready=True, order=self._order),
            self._batches(kept.val, are_ready=True) if len(kept.val) else None,
            self._batches(kept.test, are_ready=True),
        )

    @property
    def _now(self) -> Loaders:
        frozen = self._freezing.in_epoch(self.epoch)
        return self._of_features if self._of_features and frozen else self._of_images

    @property
    def val_batches(self) -> Batches | None:
        """What validates, if anything, as the network takes it now."""
        return self._now.val

    @property
    def test_batches(self) -> Batches:
        return self._now.test

    @contextmanager
    def _taking_inputs(self) -> Iterator[None]:
        """Inside, the networks take what the loaders give now."""
        taking = nullcontext()
        if self._features and self._now is self._of_features:
            taking = self._features.head_alone(self.model, self.predicting)
        with taking:
            yield

    @property
    def progress(self) -> dict[str, float]:
        """How far it has come: `epoch`, with the part of one that is begun, and `samples`, images trained on so far."""
        whole, steps = divmod(self.step, self.steps_per_epoch)
        return {
            "epoch": self.step / self.steps_per_epoch,
            "samples": whole * self._images + steps * self._settings.accumulate * self._settings.images_at_once,
        }

    @property
    def on_gpu(self) -> bool:
        return self._fabric.device.type == "cuda"

    @property
    def steps_left(self) -> int:
        """Of this epoch."""
        return (self.epoch + 1) * self.steps_per_epoch - self.step

    def rate(self, step: int, stage: int = 0) -> float:
        """The learning rate of the step behind `step` others; of the head, or of a stage of the backbone."""
        return float(self._scheduler.base_lrs[stage] * self._scheduler.lr_lambdas[stage](step))

    @property
    def epoch_rates(self) -> dict[str, float]:
        """The learning rates that this epoch began with: of the head and, where it has its own, of the backbone.

        That is the rate of the stage next to the head; 0 as long as the backbone is frozen.
        """
        rates = {"lr": self.epoch_lr}
        if self._settings.unfreeze_after is not None or len(self.optimizer.param_groups) > 1:
            trains = not self._freezing.in_epoch(self.epoch)
            rates["lr/backbone"] = self.epoch_lr * self._settings.rate_decay * trains
        return rates

    @property
    def predicting(self) -> nn.Module:
        """The network to predict with: the average of the one in training where there is one, else that one itself."""
        return self.model if self._average is None else self._average.model

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or the last ones were no better."""
        return self.epoch >= self._settings.epochs or self.stopping.due

    def train_epoch(
        self, on_step: Callable[[torch.Tensor], None], through: Callable[[Batches], Batches] = _unchanged
    ) -> Figures:
        """Train once on every image, in the order of this epoch; of one that was begun, on the images that are left.

        Args:
            on_step: Gets the mean loss of each step's images, still on the device, after `step` was counted up.
            through: Gives the batches on.
        """
        done = self.steps_per_epoch - self.steps_left
        self._tally.start()
        if self.steps_left:
            self._order.begin(self.epoch, done * self._settings.accumulate)
            self._freezing.begin(self.epoch)
            train_mode(self.model, frozen_backbone=self._freezing.in_epoch(self.epoch))
            with self._taking_inputs():
                self._train_on(through(self._now.train), done * self._settings.accumulate, on_step)
        return self._tally.figures()

    def _train_on(self, image_batches: Batches, first: int, on_step: Callable[[torch.Tensor], None]) -> None:
        """Args:
        first: The number of the first of these batches in its epoch; one that a step begins with.
        """
        accumulate, last = self._settings.accumulate, len(self._order) - 1
        step_loss = torch.zeros((), device=self._fabric.device)
        for batch, (images, labels) in enumerate(image_batches, start=first):
            step_loss = step_loss + self._gradients(images, labels, batch)
            if (batch + 1) % accumulate == 0 or batch == last:
                self._update()
                on_step(step_loss)
                step_loss = torch.zeros_like(step_loss)

    def _gradients(self, images: torch.Tensor, labels: torch.Tensor, batch: int) -> torch.Tensor:
        """Add a batch's gradients to those of its step; its share of the step's mean loss.

        It is weighed by its images, so that the gradients are those of one batch of all the step's images.
        """
        per_step = self._settings.accumulate * self._settings.images_at_once
        of_step = min(per_step, self._images - batch // self._settings.accumulate * per_step)
        mixed, targets = self._mixing(self._inputs(images), labels, epoch=self.epoch, batch=batch)
        logits = self._logits(mixed)
        loss = functional.cross_entropy(logits, targets, label_smoothing=self._settings.label_smoothing)
        share = loss * (len(images) / of_step)
        self._fabric.backward(share)
        self._tally.add(loss, logits, targets)
        return share.detach()

    def _logits(self, images: torch.Tensor) -> torch.Tensor:
        try:
            return self._train_forward(images)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            size = self._settings.images_at_once
            raise ConfigError(
                f"a batch of one image is nothing that the network's BatchNorm can be trained on;"
                f" {self._images:,} images in batches of {size} end with one:"
                " give another --batch-size, or --freeze-backbone"
            ) from None

    def _update(self) -> None:
        """One optimizer step, by the gradients there are."""
        if self._settings.clip is not None:
            # A norm that is no number is recorded like any other, not raised.
            self._fabric.clip_gradients(
                self._network, self._stepper, max_norm=self._settings.clip, error_if_nonfinite=False
            )
        self._stepper.step()
        self._stepper.zero_grad()
        self._scheduler.step()
        if self._average is not None:
            self._average.update()
        self.step += 1

    def end_epoch(self, figures: dict[str, float]) -> None:
        """Count the epoch as done; `figures` are what is logged of it."""
        self.epoch += 1
        self.epoch_lr = self.rate(self.step)
        self.figures = figures
        self.epoch_seconds.append(figures["epoch_seconds"])
        self.stopping.saw(figures[self._chosen_by])
        if self._freezing.is_to_end(self.epoch):
            self.stopping.waited = 0
        self._tally = Tally(self._fabric.device)

    @torch.no_grad()
    def evaluate(self, image_batches: Batches, on_batch: Callable[[], None] = _nothing) -> Evaluation:
        """Loss (without label smoothing, so that settings compare) and answers for every image.

        Args:
            image_batches: `val_batches` or `test_batches`.
        """
        self._predictor.eval()
        tally = Tally(self._fabric.device)
        answers, truths = [], []
        with self._taking_inputs():
            for images, labels in image_batches:
                logits = self._predict_forward(self._inputs(images))
                tally.add(functional.cross_entropy(logits, labels), logits, labels)
                answers.append(logits.argmax(dim=1))
                truths.append(labels)
                on_batch()
        return Evaluation(tally.figures(), torch.cat(answers).cpu(), torch.cat(truths).cpu())

    @torch.no_grad()
    def predict_ms(self) -> float:
        """Milliseconds the network takes for one image at a time: the median of many, after a warm-up.

        Each network is measured once per process.
        """
        settings = self._settings
        key = (self._preparation.spec, settings.precision, self._fabric.device.type, settings.compile)
        if key not in _predict_ms:
            if len(_predict_ms) == _NETWORKS_AT_MOST:
                _predict_ms.clear()
            _predict_ms[key] = self._measured_predict_ms()
        return _predict_ms[key]

    def _measured_predict_ms(self) -> float:
        self._predictor.eval()
        image = self.example()
        times_s: list[float] = []
        ends_at = time.perf_counter() + _PREDICT_AT_MOST_S
        for _ in range(_PREDICT_WARM_UP + _PREDICT_REPEATS):
            began = time.perf_counter()
            self._predictor(image).argmax().item()  # reading the answer waits for a GPU
            times_s.append(time.perf_counter() - began)
            if len(times_s) > _PREDICT_WARM_UP and time.perf_counter() > ends_at:
                break
        return statistics.median(times_s[_PREDICT_WARM_UP:]) * 1000

    def example(self) -> torch.Tensor:
        """One image as the network takes it; [1, c, h, w] on the device."""
        return self._inputs(self._test[0][0].unsqueeze(0).to(self._fabric.device))

    def state(self) -> dict[str, Any]:
        """All there is to go on from, for `run.checkpoint` and `run.restore`, which see to the random generators.

        `model` is what predicts; the weights in training stand beside it where they are others.
        """
        return {
            "model": self.predicting,
            **({} if self._average is None else {UNAVERAGED: self.model}),
            "optimizer": self.optimizer,
            "scheduler": self._scheduler,
            "scaler": self._fabric.strategy.precision,
            "stopping": self.stopping,
            "tally": self._tally,
            "training": self,
        }

    def state_dict(self) -> dict[str, Any]:
        """How far it has come, and under which settings: a fork of other ones may have to begin from it."""
        settings = {name: getattr(self._settings, name) for name in _SHAPING}
        return {**{name: getattr(self, name) for name in _COUNTED}, "settings": settings}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name in _COUNTED:
            setattr(self, name, state[name])
