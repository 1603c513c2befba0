"""Preparation of a training run: images, split, transform, network and device. Invalid input is rejected here."""

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

_checked: WeakKeyDictionary[Weights, set[tuple[ModelSpec, tuple[str, ...]]]] = WeakKeyDictionary()
"""Networks and classes that fit each set of weights, as earlier checks have shown. If a run is prepared a second time,
the check is skipped."""


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Inputs of a training run, determined by the settings and the data."""

    settings: TrainSettings
    source: ImageSource
    train: NDArray[np.int64]
    """Indices into `source.train`."""
    val: NDArray[np.int64]
    """Indices into `source.train`, or empty if there are no validation images."""
    test: NDArray[np.int64]
    """Indices into `source.test`."""
    transform: ImageTransform
    spec: ModelSpec
    weights: Weights | None
    """Initial weights. None means random weights, or the weights of the checkpoint if a run is continued."""
    device: str

    @property
    def chosen_by(self) -> str:
        """Metric that has its highest value in the best epoch."""
        return "val/acc" if len(self.val) else "train/acc"

    def listing(self, part: Part) -> Listing:
        """Return the images of a part with the digests of their contents."""
        images = self.source.test if part == "test" else self.source.train
        return listing(images, getattr(self, part).tolist(), self.source.classes)

    @property
    def parts(self) -> dict[Part, str]:
        """Name of the data source of each part that has images."""
        train, test = self.source.name, self.settings.test_data or self.source.name
        return {"train": train, "val": train, "test": test} if len(self.val) else {"train": train, "test": test}

    @property
    def meta(self) -> dict[str, Any]:
        """Checkpoint metadata from which the classifier can be rebuilt."""
        return ClassifierDescription(
            spec=self.spec,
            transform=self.transform,
            classes=self.source.classes,
            data=self.source.name,
            test_data=self.settings.test_data,
        ).as_meta()

    def network(self) -> nn.Module:
        """Return the network with its initial weights, and freeze the backbone if the settings request it.

        Raises:
            DamagedFile: The weights do not fit the network; the message names the tensors.
        """
        model = self.whole_network()
        if self.settings.freeze_backbone:
            freeze_backbone(model)
        return model

    def whole_network(self) -> nn.Module:
        """Return the network with its initial weights, without freezing anything.

        Raises:
            DamagedFile: The weights do not fit the network; the message names the tensors.
        """
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
    """Load and split the data, describe the network, and test it on a blank image.

    Args:
        store: Store of the run that `weights` names.
        description: Classifier of a run to continue. If given, it determines the network and the transform, and no
            initial weights are loaded.
        progress: Progress display for downloads and for reading many images.

    Raises:
        NotFound: The data, model or weights are unknown; the message lists similar names.
        DamagedFile: The weights cannot be read or do not fit, or an image cannot be read.
        DownloadFailed: The data could not be downloaded.
        ConfigError: The settings do not work with this machine, the data or the network. The message names the problem.
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
    train, val = _split(source, settings)
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
        _check_network(preparation)
    return preparation


def _split(source: ImageSource, settings: TrainSettings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the training images and of the validation images."""
    labels = source.train.labels
    if source.val is not None:
        train = np.setdiff1d(np.arange(len(labels)), source.val)
        return train[stratified_share(labels[train], fraction=settings.data_fraction, seed=settings.seed)], source.val
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
    """Return the transform of the weights, or the transform of the data if the weights have none. The settings modify
    the transform."""
    weights_transform = weights.transform if weights else None
    transform = replace(weights_transform or ImageTransform.for_source(source), value_range=source.value_range)
    if weights_transform is None and (published := published_transform(settings.model)):
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
def _check_network(preparation: Preparation) -> None:
    """Check that the weights fit and that the network accepts images of this size.

    Raises:
        DamagedFile: The weights do not fit.
        ConfigError: The network does not accept the images.
    """
    spec, weights = preparation.spec, preparation.weights
    combination = (spec, preparation.source.classes)
    if weights is not None and combination in _checked.setdefault(weights, set()):
        return
    model = preparation.network()
    try:
        model.eval()(torch.zeros(1, *spec.image_shape))
    except (AssertionError, RuntimeError, ValueError) as error:
        published = published_transform(spec.name)
        remedy = f"; give --image-size {published.height}" if published else ""
        raise ConfigError(
            f"model {spec.name} does not accept images of {spec.height}x{spec.width} pixels"
            f" ({str(error).partition(chr(10))[0]}){remedy}"
        ) from None
    if weights is not None:
        _checked[weights].add(combination)


def _device(settings: ComputeConfig) -> str:
    has_gpu = torch.cuda.is_available()
    if settings.device == "cuda" and not has_gpu:
        raise ConfigError("device is cuda, but torch finds no CUDA device here; use --device auto or cpu")
    device = "cuda" if has_gpu and settings.device != "cpu" else "cpu"
    if settings.precision == "fp16" and device == "cpu":
        raise ConfigError("precision is fp16, which needs a GPU; on a CPU use bf16 or 32")
    return device
