"""Disk cache of the features that a frozen backbone computes. Features are the inputs of the layers that train. All
runs with the same backbone share the cache."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import Dataset

from runfolio.vision.batches.augment import Augmentation
from runfolio.vision.batches.cache_budget import FEATURES, CacheUnavailable, evict_to_fit, open_row_store
from runfolio.vision.batches.cache_keys import image_ids, package_versions, tensors_digest, view_ids
from runfolio.vision.batches.cache_rows import RowStore
from runfolio.vision.batches.loaders import Labelled, SampleRef
from runfolio.vision.data.base import ImageSet
from runfolio.vision.data.fetch_claims import hold_claim
from runfolio.vision.data.transform import ImageTransform
from runfolio.vision.features.feature_computer import FeatureFunction, feature_computer
from runfolio.vision.models import ModelSpec
from runfolio.vision.models.network_cut import NetworkCut, cut_network, frozen_tensors
from runfolio.vision.models.precision import autocast
from runfolio.vision.models.tape import CutUnavailable

if TYPE_CHECKING:
    from rich.progress import Progress

_BATCH = 32
"""Number of rows (features of one image each) that are computed at a time for every four threads. Before each
computation, the process reads the rows that other processes have added."""
_BATCHES_AHEAD = 2
"""Number of batches that are decoded while one batch is computed."""
_FILL_LOCK = ".filling"
_MAX_CUTS = 64
_cuts: dict[tuple[ModelSpec, str, str, str], NetworkCut] = {}


@dataclass(frozen=True, kw_only=True)
class Views:
    """Augmented versions (views) of each image. View v equals the augmented image of epoch v."""

    count: int
    augment: str
    seed: int


class CachedFeatures(Dataset[Labelled]):
    """Dataset of features, [size] per image, with labels.

    The index of an item is a position or a `SampleRef` (epoch and position). Epoch e uses the augmented version (view)
    e modulo the number of views.
    """

    def __init__(
        self, rows: RowStore, addresses: NDArray[np.int64], labels: NDArray[np.int64], dtype: torch.dtype
    ) -> None:
        """Open the features of n images.

        Args:
            addresses: Addresses returned by `rows.addresses_of`, [views, n, 2].
            labels: Class indices, [n].
        """
        self._rows = rows
        self._addresses = addresses
        self._labels = labels.tolist()
        self._dtype = dtype

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, sample: int | SampleRef) -> Labelled:
        return self.__getitems__([sample])[0]

    def __getitems__(self, samples: Sequence[int | SampleRef]) -> list[Labelled]:
        """Return several items at once. A loader calls this method for each batch."""
        refs = [sample if isinstance(sample, SampleRef) else SampleRef(0, sample) for sample in samples]
        views = [ref.epoch % len(self._addresses) for ref in refs]
        rows = self._rows.gather(self._addresses[views, [ref.position for ref in refs]])
        features = torch.from_numpy(rows).view(self._dtype)
        return [(row, self._labels[ref.position]) for row, ref in zip(features, refs, strict=True)]


class FeatureCache:
    """Feature cache for one frozen backbone and one transform.

    Attributes:
        cut: Position of the cut between backbone and head. `cut.head_alone(model)` makes the model accept features.
    """

    def __init__(
        self,
        model: nn.Module,
        spec: ModelSpec,
        transform: ImageTransform,
        *,
        precision: str = "32",
        views: Views | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Cut the network, and open the cache folder of its features.

        Args:
            model: Network with a frozen backbone (`freeze_backbone`), on its device.
            precision: Value of the setting `precision`.
            views: Augmented versions of each image, or None if images are not augmented.
            progress: Progress display for the computation of features.

        Raises:
            CacheUnavailable: The network cannot be cut, or the cache folder cannot be used.
        """
        self._model = model
        self._transform = transform
        self._device = next(model.parameters()).device
        self._precision = precision
        self._views = views
        self._augmentation = views and Augmentation(
            views.augment, height=spec.height, width=spec.width, seed=views.seed
        )
        self._progress = progress
        self._name = spec.name
        self._augmentation_lock = Lock()
        weights = tensors_digest(frozen_tensors(model))
        try:
            with autocast(self._device, precision):
                self.cut = _cut_once(model, spec, weights, precision)
        except CutUnavailable as reason:
            raise CacheUnavailable(f"{spec.name} cannot be cut: {reason}") from None
        description = {
            "network": {key: value for key, value in spec.as_meta().items() if key not in ("classes", "dropout")},
            "weights": weights,
            "transform": transform.as_meta(),
            "changes": views and {"augment": views.augment, "seed": views.seed},
            "precision": precision,
            "device": self._device.type,
            "versions": package_versions(),
        }
        self._rows = open_row_store(FEATURES, description, self.cut.size * self.cut.dtype.itemsize)

    def features_of(self, images: ImageSet, chosen: NDArray[np.int64]) -> CachedFeatures:
        """Return the features of the chosen images. Missing features are computed and cached.

        Raises:
            CacheUnavailable: The features do not fit into the budget, or the disk is full or read-only.
            DamagedFile: An image cannot be read.
        """
        indices = chosen.tolist()
        plain = image_ids(images, indices, self._progress)
        ids = [plain]
        if self._views is not None:
            ids = [view_ids(plain, indices, view) for view in range(self._views.count)]
        sources = {
            row_id: (index, view) for view, row in enumerate(ids) for row_id, index in zip(row, indices, strict=True)
        }
        try:
            self._rows.refresh()
            self._rows.drop_damaged(sources)
            self._fill(images, {row_id: source for row_id, source in sources.items() if row_id not in self._rows})
        except OSError as error:
            raise CacheUnavailable(f"{self._rows.folder} cannot be written: {error.strerror}") from None
        addresses = np.stack([self._rows.addresses_of(row) for row in ids])
        return CachedFeatures(self._rows, addresses, images.labels[chosen], self.cut.dtype)

    def close(self) -> None:
        """Allow other processes to remove the cached features. Data sets that use this cache become invalid."""
        self._rows.close()

    def _fill(self, images: ImageSet, missing: dict[bytes, tuple[int, int]]) -> None:
        if not missing:
            return
        size = len(missing) * self._rows.row_bytes
        if (free := evict_to_fit(size)) < size:
            raise CacheUnavailable(
                f"the features of {len(missing):,} images take {size / 1e6:,.3g} MB, but the cache budget"
                f" (`runfolio cache --budget`) or the disk has only {free / 1e6:,.3g} MB left"
            )
        rows_at_once = _BATCH * max(1, torch.get_num_threads() // 4)
        images_at_once = max(1, rows_at_once // (self._views.count if self._views else 1))
        task = self._progress.add_task(f"features of {self._name}", total=len(missing)) if self._progress else None
        try:
            with feature_computer(self.cut, self._model, self._transform, self._precision) as compute:
                for ids, pixels in self._decoded_batches(images, missing, images_at_once):
                    self._add(ids, pixels, compute)
                    if self._progress and task is not None:
                        self._progress.advance(task, len(ids))
        finally:
            if self._progress and task is not None:
                self._progress.remove_task(task)

    def _add(self, ids: list[bytes], pixels: list[torch.Tensor], compute: FeatureFunction) -> None:
        # Several processes may need the same images. Only one process computes at a time, and the others read its rows.
        with hold_claim(self._rows.folder / _FILL_LOCK):
            self._rows.refresh()
            new = [index for index, row_id in enumerate(ids) if row_id not in self._rows]
            if new:
                self._rows.add([ids[index] for index in new], compute([pixels[index] for index in new]))

    def _decoded_batches(
        self, images: ImageSet, missing: dict[bytes, tuple[int, int]], batch_size: int
    ) -> Iterator[tuple[list[bytes], list[torch.Tensor]]]:
        """Yield the ids and the [c, h, w] uint8 pixels of one batch of images at a time. Threads decode a few batches
        in advance."""
        rows: dict[int, list[tuple[bytes, int]]] = {}
        for row_id, (index, view) in missing.items():
            rows.setdefault(index, []).append((row_id, view))
        indices = list(rows)
        ahead: deque[tuple[list[bytes], list[Future[list[torch.Tensor]]]]] = deque()
        with ThreadPoolExecutor() as threads:
            try:
                for start in range(0, len(indices), batch_size):
                    batch = indices[start : start + batch_size]
                    ids = [row_id for index in batch for row_id, _ in rows[index]]
                    futures = [
                        threads.submit(self._pixels, images, index, [view for _, view in rows[index]])
                        for index in batch
                    ]
                    ahead.append((ids, futures))
                    if len(ahead) > _BATCHES_AHEAD:
                        yield _results(*ahead.popleft())
                while ahead:
                    yield _results(*ahead.popleft())
            finally:
                threads.shutdown(cancel_futures=True)

    def _pixels(self, images: ImageSet, index: int, views: Sequence[int]) -> list[torch.Tensor]:
        """Decode one image, and return the pixels of each requested augmented version (view)."""
        pixels = self._transform.pixels_of(images, index)
        if self._augmentation is None:
            return [pixels]
        with self._augmentation_lock:  # the lock is needed because all threads draw from torch's global generator
            return [self._augmentation(pixels, epoch=view, index=index) for view in views]


def _cut_once(model: nn.Module, spec: ModelSpec, weights: str, precision: str) -> NetworkCut:
    """Cut the network between backbone and head, or return an earlier cut. All runs of this process with the same
    frozen part share one cut."""
    key = (spec, weights, precision, next(model.parameters()).device.type)
    if key not in _cuts:
        if len(_cuts) == _MAX_CUTS:
            _cuts.clear()
        _cuts[key] = cut_network(model, spec.image_shape)
    return _cuts[key]


def _results(ids: list[bytes], futures: Sequence[Future[list[torch.Tensor]]]) -> tuple[list[bytes], list[torch.Tensor]]:
    return ids, [pixels for future in futures for pixels in future.result()]
