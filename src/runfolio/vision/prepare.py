"""What is settled before training begins: images, split, transform, network, device. Bad input is refused here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from runfolio.errors import ConfigError
from runfolio.vision.data import ImageSource, load_data
from runfolio.vision.data.base import IMAGENET_MEAN, IMAGENET_STD
from runfolio.vision.data.listing import listing
from runfolio.vision.data.split import stratified_share, train_and_validation
from runfolio.vision.data.transform import ImageTransform
from runfolio.vision.folds import Fold
from runfolio.vision.models import ModelSpec, build_model, check_model_name, published_transform
from runfolio.vision.models.compiling import check_compiler
from runfolio.vision.models.description import ClassifierDescription
from runfolio.vision.models.freezing import freeze_backbone
from runfolio.vision.models.memory_layout import to_channels_last
from runfolio.vision.models.weights import Weights, find_weights
from runfolio.vision.settings import ComputeConfig, TrainSettings

if TYPE_CHECKING:
    from rich.progress import Progress

    from runfolio.record.content.data_listings import Listing

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")

_tried: WeakKeyDictionary[Weights, set[tuple[ModelSpec, tuple[str, ...]]]] = WeakKeyDictionary()
"""The networks and classes that weights were found to fit: each run of a series is prepared twice."""


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
    weights: Weights | None
    """What the network starts from; None: from random numbers, or from the checkpoint of a run that goes on."""
    device: str

    @property
    def chosen_by(self) -> str:
        """The metric whose highest value makes an epoch the best."""
        return "val/acc" if len(self.val) else "train/acc"

    def listing(self, part: Part) -> Listing:
        """What the run trains, validates or tests on, by content."""
        images = self.source.test if part == "test" else self.source.train
        return listing(images, getattr(self, part).tolist(), self.source.classes)

    @property
    def parts(self) -> dict[Part, str]:
        """What there are images for, and where they come from."""
        own, test = self.source.name, self.settings.test_data or self.source.name
        return {"train": own, "val": own, "test": test} if len(self.val) else {"train": own, "test": test}

    @property
    def meta(self) -> dict[str, Any]:
        """What a checkpoint carries so that the classifier can be rebuilt from it alone."""
        return ClassifierDescription(
            spec=self.spec,
            transform=self.transform,
            classes=self.source.classes,
            data=self.source.name,
            test_data=self.settings.test_data,
        ).as_meta()

    def network(self) -> nn.Module:
        """A network as training begins: started from its weights, its backbone frozen where the settings say so.

        Raises:
            DamagedFile: The weights do not fit; the message names what does not.
        """
        model = self.whole_network()
        if self.settings.freeze_backbone:
            freeze_backbone(model)
        return model

    def whole_network(self) -> nn.Module:
        """As `network`, with nothing frozen."""
        model = to_channels_last(build_model(self.spec))
        if self.weights is not None:
            self.weights.put_into(model, self.spec.name, self.source.classes)
        return model


def prepare(
    settings: TrainSettings,
    *,
    store: Path | str | None = None,
    description: ClassifierDescription | None = None,
    progress: Progress | None = None,
) -> Preparation:
    """Load and split the data, describe the network, and try it on a blank image.

    Args:
        store: Where a run named by `weights` is.
        description: Classifier of a run that continues: its network and transform are kept, and the first weights of
            the settings are not loaded.
        progress: Gets a task for a download or a first look at many images.

    Raises:
        NotFound: Unknown data, model or weights; the message names the nearest.
        DamagedFile: The weights cannot be read or do not fit, or an image cannot be read.
        DownloadFailed: The data could not be fetched.
        ConfigError: The device is not there, lacks the precision or cannot compile, the data cannot be split as asked,
            or the images do not suit the network.
    """
    check_model_name(settings.model)
    device = _device(settings)
    if settings.compile:
        check_compiler(device)
    source = load_data(
        settings.data,
        test_data=settings.test_data,
        with_validation=settings.with_validation,
        skip_bad_images=settings.skip_bad_images,
        progress=progress,
    )
    train, val = _divide(source, settings)
    weights = find_weights(settings.weights, settings.model, store) if settings.weights and not description else None
    transform = description.transform if description else _transform(settings, source, weights)
    preparation = Preparation(
        settings=settings,
        source=source,
        train=train,
        val=val,
        test=np.arange(len(source.test)),
        transform=transform,
        spec=description.spec if description else _spec(settings, source, transform),
        weights=weights,
        device=device,
    )
    if not description:
        _try(preparation)
    return preparation


def _divide(source: ImageSource, settings: TrainSettings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the images that train, and of those that validate."""
    labels = source.train.labels
    if source.val is not None:
        own = np.setdiff1d(np.arange(len(labels)), source.val)
        return own[stratified_share(labels[own], fraction=settings.data_fraction, seed=settings.seed)], source.val
    return train_and_validation(
        labels,
        source.classes,
        data_fraction=settings.data_fraction,
        val_fraction=settings.resolved_val_fraction,
        seed=settings.seed,
        fold=Fold.parse(settings.fold) if settings.fold else None,
    )


def _spec(settings: TrainSettings, source: ImageSource, transform: ImageTransform) -> ModelSpec:
    return ModelSpec(
        name=settings.model,
        channels=transform.channels,
        height=transform.height,
        width=transform.width,
        classes=len(source.classes),
        hidden_units=settings.hidden_units,
        dropout=settings.dropout,
    )


def _transform(settings: TrainSettings, source: ImageSource, weights: Weights | None) -> ImageTransform:
    """What the weights had, else what the data has, as the settings change it."""
    own = weights.transform if weights else None
    transform = replace(own or ImageTransform.for_source(source), value_range=source.value_range)
    if own is None and (published := published_transform(settings.model)):
        transform = transform.with_channels(published.channels)
    if settings.image_size is not None:
        transform = transform.with_size(settings.image_size)
    match settings.normalize:
        case "imagenet":
            return transform.with_normalisation(IMAGENET_MEAN, IMAGENET_STD)
        case "data":
            return transform.with_normalisation(source.mean, source.std)
        case "none":
            return transform.with_normalisation((0.0,), (1.0,))
    return transform


@torch.no_grad()
def _try(preparation: Preparation) -> None:
    """Meet what would stop training before a run begins: weights that do not fit, images too small for the network."""
    spec, weights = preparation.spec, preparation.weights
    tried = (spec, preparation.source.classes)
    if weights is not None and tried in _tried.setdefault(weights, set()):
        return
    model = preparation.network()
    try:
        model.eval()(torch.zeros(1, *spec.image_shape))
    except (AssertionError, RuntimeError, ValueError) as error:
        published = published_transform(spec.name)
        remedy = f"; give --image-size {published.height}" if published else ""
        raise ConfigError(
            f"model {spec.name} cannot take images of {spec.height}x{spec.width} pixels"
            f" ({str(error).partition(chr(10))[0]}){remedy}"
        ) from None
    if weights is not None:
        _tried[weights].add(tried)


def _device(settings: ComputeConfig) -> str:
    has_gpu = torch.cuda.is_available()
    if settings.device == "cuda" and not has_gpu:
        raise ConfigError("device is cuda, but torch finds no CUDA device here; use --device auto or cpu")
    device = "cuda" if has_gpu and settings.device != "cpu" else "cpu"
    if settings.precision == "fp16" and device == "cpu":
        raise ConfigError("precision is fp16, which needs a GPU; on a CPU use bf16 or 32")
    return device
