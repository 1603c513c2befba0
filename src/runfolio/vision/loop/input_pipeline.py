"""Input pipeline of a training run: loaders, and the caches of backbone features and decoded pixels."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.utils.data import Dataset

from runfolio.vision.batches.augment import Augmentation
from runfolio.vision.batches.cache_budget import CacheUnavailable
from runfolio.vision.batches.loaders import (
    AugmentedImages,
    DeviceBatches,
    EpochOrder,
    Labelled,
    PreparedImages,
    batch_loader,
    default_workers,
)
from runfolio.vision.features.feature_cache import CachedFeatures
from runfolio.vision.features.feature_computer import one_torch_thread
from runfolio.vision.features.feature_datasets import FeatureDatasets, build_feature_datasets, can_use_features
from runfolio.vision.loop.inputs import Inputs
from runfolio.vision.loop.train_state import TrainState
from runfolio.vision.prepare import PARTS, Part, Preparation

if TYPE_CHECKING:
    from rich.progress import Progress

_SMALL_HEAD = 100_000
"""Maximum number of parameters of a head that is trained with one CPU thread. With more threads, waiting would take
longer than computing."""

Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]
"""Batches on the device. Each batch is a pair: [b, c, h, w] uint8 pixels or [b, size] features, and [b] int64
labels."""


class Loaders(NamedTuple):
    """Batches of each part of the data."""

    train: Batches
    val: Batches | None
    test: Batches


class InputPipeline:
    """Source of the batches of a training run. The batches contain images, or features that a frozen backbone has
    computed."""

    def __init__(self, preparation: Preparation) -> None:
        settings, source, spec = preparation.settings, preparation.source, preparation.spec
        self._preparation = preparation
        self._settings = settings
        self._device = torch.device(preparation.device)
        train = PreparedImages(source.train, preparation.train, preparation.transform)
        val = PreparedImages(source.train, preparation.val, preparation.transform)
        test = PreparedImages(source.test, preparation.test, preparation.transform)
        augmented = AugmentedImages(
            train, Augmentation(settings.augment, height=spec.height, width=spec.width, seed=settings.seed)
        )
        self._prepared = (train, val, test)
        self._order = EpochOrder(len(train), settings.resolved_batch_size, settings.seed)
        self._images = Loaders(
            self._loader(augmented, are_ready=train.fits_in_memory, order=self._order),
            self._loader(val, are_ready=val.fits_in_memory) if len(val) else None,
            self._loader(test, are_ready=test.fits_in_memory),
        )
        self._features: Loaders | None = None
        self._feature_datasets: FeatureDatasets | None = None

    def _loader(self, images: Dataset[Labelled], *, are_ready: bool, order: EpochOrder | None = None) -> Batches:
        settings, device = self._settings, self._device.type
        workers = 0 if isinstance(images, CachedFeatures) else settings.workers
        loader = batch_loader(
            images,
            batch_size=settings.resolved_batch_size,
            workers=default_workers(device, are_ready=are_ready) if workers is None else workers,
            seed=settings.seed,
            order=order,
            pin_memory=device == "cuda",
        )
        return DeviceBatches(loader, self._device)

    def open_cache(self, state: TrainState, progress: Progress | None, parts: Container[Part] = PARTS) -> list[str]:
        """Open the caches, and compute missing features.

        Args:
            state: State with the weights from which training starts or continues.
            parts: Parts of the data that will be used.

        Returns:
            One sentence for each cache that cannot be used, with the reason.

        Raises:
            DamagedFile: An image cannot be read.
        """
        notices: list[str] = []
        if can_use_features(self._settings) and state.is_frozen:
            try:
                self._open_features(state, progress, parts)
            except CacheUnavailable as reason:
                notices.append(f"computes the whole network in each epoch: {reason}")
        # With cached features, pixels are only needed after the backbone has been unfrozen.
        if self._settings.cache and (self._features is None or self._settings.unfreeze_after is not None):
            notices.extend(self._open_pixels(progress))
        return notices

    def _open_pixels(self, progress: Progress | None) -> Iterator[str]:
        try:
            share = min(images.cache_on_disk(progress) for images in self._prepared if len(images))
        except CacheUnavailable as reason:
            yield f"decodes its images in each epoch: {reason}"
            return
        if share < 1:
            yield (
                "decodes some images in each epoch: the cache budget (`runfolio cache --budget`) or the disk has "
                f"room for only {share:.0%} of the uncached images"
            )

    def _open_features(self, state: TrainState, progress: Progress | None, parts: Container[Part]) -> None:
        datasets = build_feature_datasets(self._preparation, state.model, progress, parts)
        self._feature_datasets = datasets
        self._features = Loaders(
            self._loader(datasets.train, are_ready=True, order=self._order),
            self._loader(datasets.val, are_ready=True) if len(datasets.val) else None,
            self._loader(datasets.test, are_ready=True),
        )

    @contextmanager
    def connect(self, state: TrainState) -> Iterator[Loaders]:
        """Yield loaders for the rest of the current epoch. Inside the block, the networks of `state` accept the batches
        of these loaders."""
        loaders = self._images
        with ExitStack() as connection:
            if self._features is not None and self._feature_datasets is not None and state.is_frozen:
                loaders = self._features
                connection.enter_context(self._feature_datasets.head_alone(state.model, state.predicting))
                if state.trainable_parameters <= _SMALL_HEAD:
                    connection.enter_context(one_torch_thread())
            yield loaders._replace(train=self._train_batches(loaders.train, state))

    def _train_batches(self, loader: Batches, state: TrainState) -> Batches:
        self._order.begin(state.epoch, state.batches_done)
        yield from loader

    def example(self) -> torch.Tensor:
        """Return one normalised test image, [1, c, h, w] on the device."""
        _, _, test = self._prepared
        return Inputs(self._preparation.transform)(test[0][0].unsqueeze(0).to(self._device))
