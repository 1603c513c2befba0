"""One pass over images, and everything that changes while a network trains.

Loss and accuracy are counted per image: sums over images, divided by their number, so a smaller last batch weighs what
it should. The sums stay on the device until the pass ends; no batch waits for a GPU.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset

from runfolio.vision.data.augment import Augmentation
from runfolio.vision.data.loaders import AugmentedImages, EpochOrder, Labelled, PreparedImages, batches
from runfolio.vision.description import place_of
from runfolio.vision.models.fitting import fill
from runfolio.vision.models.freezing import train_mode
from runfolio.vision.optim import make_optimizer, make_scheduler
from runfolio.vision.preparation import Preparation
from runfolio.vision.seeds import generator_states, restore_generators
from runfolio.vision.settings import TrainSettings

if TYPE_CHECKING:
    from runfolio.record.checkpoints import Checkpoint

Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]
"""([b, c, h, w] float32 images, [b] int64 labels), on the device."""


_PREDICT_WARM_UP, _PREDICT_REPEATS, _PREDICT_AT_MOST_S = 5, 100, 0.5


class Figures(NamedTuple):
    """What one pass came to."""

    loss: float
    """Mean cross-entropy an image; NaN or infinite where a batch's was."""
    accuracy: float
    """Share of the images whose most probable class is the true one."""
    images: int
    seconds: float


class Evaluation(NamedTuple):
    """A pass without training, with every answer, in the order of the images."""

    figures: Figures
    predicted: torch.Tensor
    """[n] int64, on the CPU, as is `labels`."""
    labels: torch.Tensor


class Tally:
    """Sums over the images of one pass."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(2, dtype=torch.float64, device=device)
        self._images = 0
        self._began = time.perf_counter()

    def add(self, mean_loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        images = len(labels)
        correct = (logits.detach().argmax(dim=1) == labels).sum()
        self._sums += torch.stack([mean_loss.detach().double() * images, correct.double()])
        self._images += images

    def figures(self) -> Figures:
        loss, correct = self._sums.tolist()
        seconds = time.perf_counter() - self._began
        return Figures(loss / self._images, correct / self._images, self._images, seconds)


class Training:
    """A network in training: its state, and the verbs `train_epoch` and `evaluate`.

    Attributes:
        epoch: Epochs done.
        step: Optimizer steps done.
        epoch_seconds: Of each epoch done, validation included.
        figures: What the newest epoch came to, as it was logged.
        batches_per_epoch: Optimizer steps of an epoch.
    """

    def __init__(self, preparation: Preparation) -> None:
        settings, source, spec = preparation.settings, preparation.source, preparation.spec
        self._frozen_backbone = settings.freeze_backbone
        self._smoothing = settings.label_smoothing
        self._images, self._batch_size = len(preparation.train), settings.batch_size
        self._fabric = Fabric(
            accelerator=preparation.device,
            devices=1,
            precision=settings.precision,  # type: ignore[arg-type] - one of the settings' choices
        )
        train = AugmentedImages(
            PreparedImages(source.train, preparation.train, preparation.transform),
            Augmentation(settings.augment, height=spec.height, width=spec.width, seed=settings.seed),
        )
        val = PreparedImages(source.train, preparation.val, preparation.transform)
        self._test = PreparedImages(source.test, preparation.test, preparation.transform)
        self._order = EpochOrder(len(train), settings.seed)
        self._train_batches = self._batches(train, settings, self._order)
        self.val_batches = self._batches(val, settings) if len(val) else None
        self.test_batches = self._batches(self._test, settings)
        self.batches_per_epoch = math.ceil(len(train) / settings.batch_size)

        self.model: nn.Module = preparation.network()
        self.optimizer = make_optimizer(self.model, settings)
        self._scheduler = make_scheduler(self.optimizer, settings, self.batches_per_epoch)
        self._network, self._stepper = self._fabric.setup(self.model, self.optimizer)
        self.epoch = 0
        self.step = 0
        self.epoch_seconds: list[float] = []
        self.figures: dict[str, float] = {}

    def _batches(self, images: Dataset[Labelled], settings: TrainSettings, order: EpochOrder | None = None) -> Batches:
        loader = batches(
            images, batch_size=settings.batch_size, workers=settings.workers, seed=settings.seed, order=order
        )
        return cast("Batches", self._fabric.setup_dataloaders(loader))

    @property
    def progress(self) -> dict[str, float]:
        """How far it has come: `epoch`, with the part of one that is begun, and `samples`, images trained on so far."""
        whole, batches = divmod(self.step, self.batches_per_epoch)
        return {
            "epoch": self.step / self.batches_per_epoch,
            "samples": whole * self._images + batches * self._batch_size,
        }

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def train_epoch(self, on_batch: Callable[[torch.Tensor], None]) -> Figures:
        """Train once on every image, in the order of this epoch.

        Args:
            on_batch: Gets each batch's mean loss, still on the device, after `step` was counted up.
        """
        self._order.begin(self.epoch)
        train_mode(self.model, frozen_backbone=self._frozen_backbone)
        tally = Tally(self._fabric.device)
        for images, labels in self._train_batches:
            logits = self._network(images)
            loss = functional.cross_entropy(logits, labels, label_smoothing=self._smoothing)
            self._stepper.zero_grad()
            self._fabric.backward(loss)
            self._stepper.step()
            self._scheduler.step()
            self.step += 1
            tally.add(loss, logits, labels)
            on_batch(loss.detach())
        self.epoch += 1
        return tally.figures()

    @torch.no_grad()
    def evaluate(self, image_batches: Batches) -> Evaluation:
        """Loss (without label smoothing, so that settings compare) and answers for every image."""
        self._network.eval()
        tally = Tally(self._fabric.device)
        answers, truths = [], []
        for images, labels in image_batches:
            logits = self._network(images)
            tally.add(functional.cross_entropy(logits, labels), logits, labels)
            answers.append(logits.argmax(dim=1))
            truths.append(labels)
        return Evaluation(tally.figures(), torch.cat(answers).cpu(), torch.cat(truths).cpu())

    @torch.no_grad()
    def predict_ms(self) -> float:
        """Milliseconds the network takes for one image at a time: the median of many, after a warm-up."""
        self._network.eval()
        image = self.example()
        times_s: list[float] = []
        ends_at = time.perf_counter() + _PREDICT_AT_MOST_S
        for _ in range(_PREDICT_WARM_UP + _PREDICT_REPEATS):
            began = time.perf_counter()
            self._network(image).argmax().item()  # reading the answer waits for a GPU
            times_s.append(time.perf_counter() - began)
            if len(times_s) > _PREDICT_WARM_UP and time.perf_counter() > ends_at:
                break
        return statistics.median(times_s[_PREDICT_WARM_UP:]) * 1000

    def example(self) -> torch.Tensor:
        """One image as the network takes it; [1, c, h, w] on the device."""
        return self._test[0][0].unsqueeze(0).to(self._fabric.device)

    def state(self) -> dict[str, Any]:
        """All that a checkpoint needs to go on from here bit by bit: arguments for `run.checkpoint`."""
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "scheduler": self._scheduler,
            "generators": generator_states(),
            "epoch": self.epoch,
            "global_step": self.step,
            "epoch_seconds": self.epoch_seconds,
            "figures": self.figures,
        }

    def go_on_from(self, checkpoint: Checkpoint) -> None:
        """Take up the state that `state` gave. The generators come last: nothing may draw from them after."""
        state = checkpoint.state
        self.load_weights(checkpoint)
        self.optimizer.load_state_dict(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        self.epoch, self.step = state["epoch"], state["global_step"]
        self.epoch_seconds, self.figures = state["epoch_seconds"], state["figures"]
        restore_generators(state["generators"])

    def load_weights(self, checkpoint: Checkpoint) -> None:
        fill(self.model, checkpoint.tensors("model"), f"{place_of(checkpoint)} does not fit its network")
