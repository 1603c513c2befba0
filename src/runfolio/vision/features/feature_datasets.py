"""Data sets of features, which replace the images during training."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import nn

from runfolio.vision.features.feature_cache import CachedFeatures, FeatureCache, Views
from runfolio.vision.models.network_cut import NetworkCut
from runfolio.vision.prepare import PARTS, Part, Preparation
from runfolio.vision.settings import TrainSettings

if TYPE_CHECKING:
    from rich.progress import Progress


@dataclass(frozen=True)
class FeatureDatasets:
    """Features of all images of a run, and the position at which the run's network is cut into backbone and head."""

    train: CachedFeatures
    val: CachedFeatures
    test: CachedFeatures
    _cut: NetworkCut

    @contextmanager
    def head_alone(self, *models: nn.Module) -> Iterator[None]:
        """Make the given copies of the network accept features instead of images."""
        with ExitStack() as heads:
            for model in set(models):
                heads.enter_context(self._cut.head_alone(model))
            yield


def can_use_features(settings: TrainSettings) -> bool:
    """Return whether features can be cached. The backbone must be frozen, and each image must have a fixed number of
    augmented versions (views)."""
    is_mixed = settings.mixup or settings.cutmix
    has_fixed_views = settings.augment == "none" or settings.cached_views > 0
    return settings.cache and settings.freeze_backbone and has_fixed_views and not is_mixed


def build_feature_datasets(
    preparation: Preparation, model: nn.Module, progress: Progress | None, parts: Container[Part] = PARTS
) -> FeatureDatasets:
    """Compute the features that are not cached yet, and return the features of all images.

    Args:
        model: Network whose frozen part has its final weights.
        parts: Requested parts of the data. The features of the other parts are empty.

    Raises:
        CacheUnavailable: The network cannot be cut, or its features cannot be cached.
        DamagedFile: An image cannot be read.
    """
    settings, source, spec = preparation.settings, preparation.source, preparation.spec

    def open_cache(views: Views | None) -> FeatureCache:
        options = {"precision": settings.precision, "views": views, "progress": progress}
        return FeatureCache(model, spec, preparation.transform, **options)

    plain_cache = augmented_cache = open_cache(None)
    if settings.augment != "none":
        augmented_cache = open_cache(Views(count=settings.cached_views, augment=settings.augment, seed=settings.seed))

    def chosen(part: Part) -> NDArray[np.int64]:
        return getattr(preparation, part)[: None if part in parts else 0]

    return FeatureDatasets(
        train=augmented_cache.features_of(source.train, chosen("train")),
        val=plain_cache.features_of(source.train, chosen("val")),
        test=plain_cache.features_of(source.test, chosen("test")),
        _cut=plain_cache.cut,
    )
