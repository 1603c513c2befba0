"""What is settled before training begins: images, split, transform, network, device. Bad input is refused here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from runfolio.errors import ConfigError
from runfolio.vision.data import ImageSource, load_data
from runfolio.vision.data.split import train_and_validation
from runfolio.vision.data.transform import ImageTransform
from runfolio.vision.models import ModelSpec, check_model_name
from runfolio.vision.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Everything a training needs that the settings decide; the same settings always prepare the same."""

    settings: TrainSettings
    source: ImageSource
    train: NDArray[np.int64]
    """Indices into `source.train`, as are `val`'s."""
    val: NDArray[np.int64]
    """Empty where nothing is kept back."""
    test: NDArray[np.int64]
    transform: ImageTransform
    spec: ModelSpec
    device: str

    @property
    def chosen_by(self) -> str:
        """The metric whose highest value makes an epoch the best."""
        return "val/acc" if len(self.val) else "train/acc"

    @property
    def meta(self) -> dict[str, Any]:
        """What a checkpoint carries so that the classifier can be rebuilt from it alone."""
        return {
            "model": self.spec.as_meta(),
            "transform": self.transform.as_meta(),
            "classes": list(self.source.classes),
            "data": self.source.name,
        }


def prepare(settings: TrainSettings) -> Preparation:
    """Load and split the data and describe the network.

    Raises:
        NotFound: Unknown data or model; the message names the nearest.
        ConfigError: The device is not there, or the data cannot be split as asked.
    """
    check_model_name(settings.model)
    device = _device(settings.device)
    source = load_data(settings.data)
    train, val = train_and_validation(
        source.train.labels,
        source.classes,
        data_fraction=settings.data_fraction,
        val_fraction=settings.val_fraction,
        seed=settings.seed,
    )
    transform = ImageTransform.for_source(source, settings.image_size)
    return Preparation(
        settings=settings,
        source=source,
        train=train,
        val=val,
        test=np.arange(len(source.test)),
        transform=transform,
        spec=ModelSpec(
            name=settings.model,
            channels=transform.channels,
            height=transform.height,
            width=transform.width,
            classes=len(source.classes),
            hidden_units=settings.hidden_units,
            dropout=settings.dropout,
        ),
        device=device,
    )


def _device(asked: str) -> str:
    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise ConfigError("device is cuda, but torch finds no CUDA device here; use --device auto or cpu")
    return "cuda" if there and asked != "cpu" else "cpu"
