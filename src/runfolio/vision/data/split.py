"""Stratified, seeded splits of labelled images. A larger selection contains every smaller selection.

Each class has one seeded order. A selection is a prefix of this order. The position of an image in the order decides
whether the image is used for validation. Therefore, the training images of a selection are also training images of each
larger selection. The same applies to validation images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from runfolio.errors import ConfigError
from runfolio.vision.folds import Fold

IntArray = NDArray[np.int64]


def stratified_share(labels: IntArray, *, fraction: float, seed: int) -> IntArray:
    """Return the sorted indices of a stratified selection of the images, with at least one image per class.

    Args:
        labels: Class indices, [n].
        fraction: Fraction of the images to select, above 0 and at most 1. A larger fraction only adds images.
        seed: Seed of the order.
    """
    chosen = [order[: max(1, math.floor(len(order) * fraction + 0.5))] for order in _class_orders(labels, seed)]
    return np.sort(np.concatenate(chosen))


def split_off(labels: IntArray, indices: IntArray, *, fraction: float, seed: int) -> tuple[IntArray, IntArray]:
    """Split the images at `indices` into two stratified parts. Return the sorted indices of the remaining images and of
    the split-off images.

    Each class keeps at least one image. If `indices` come from `stratified_share` with the same seed, a larger fraction
    only adds images to both parts.
    """
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[indices] = True
    kept_parts, split_parts = [], []
    for order in _class_orders(labels, seed):
        members = order[chosen[order]]
        leaves = np.array([_split_count(k + 1, fraction) > _split_count(k, fraction) for k in range(len(members))])
        split_parts.append(members[leaves.astype(bool)])
        kept_parts.append(members[~leaves.astype(bool)])
    return np.sort(np.concatenate(kept_parts)), np.sort(np.concatenate(split_parts))


def split_fold(labels: IntArray, indices: IntArray, *, fold: Fold, seed: int) -> tuple[IntArray, IntArray]:
    """Split the images at `indices` into stratified folds. Return the sorted indices of the images in the other folds
    and in this fold.

    If the seed is the same for all folds, each image is in exactly one fold. The sizes of two folds differ by at most
    one image, in total and in each class.
    """
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[indices] = True
    # Images are assigned to the folds one after another, without a restart at each class. Otherwise, the first folds
    # would get the surplus images of every class.
    ordered = np.concatenate([order[chosen[order]] for order in _class_orders(labels, seed)])
    in_fold = np.arange(len(ordered)) % fold.total == fold.number - 1
    return np.sort(ordered[~in_fold]), np.sort(ordered[in_fold])


def train_and_validation(
    labels: IntArray,
    classes: Sequence[str],
    *,
    data_fraction: float,
    val_fraction: float,
    seed: int,
    fold: Fold | None = None,
) -> tuple[IntArray, IntArray]:
    """Return the indices of training and validation images, disjoint and stratified.

    Args:
        labels: Class indices, [n].
        classes: Names of the classes.
        data_fraction: Fraction of the images to use.
        val_fraction: Fraction of the used images to validate on.
        seed: Seed of the split.
        fold: Fold to validate on. If given, `val_fraction` is ignored.

    Raises:
        ConfigError: A class would have no validation image; the message gives the remedy.
    """
    chosen = stratified_share(labels, fraction=data_fraction, seed=seed)
    if fold is not None:
        counts = np.bincount(labels[chosen], minlength=len(classes))
        fewest = int(np.argmin(np.where(counts, counts, len(labels))))
        if (count := int(counts[fewest])) < fold.total:
            raise ConfigError(
                f"class {classes[fewest]!r} has {count} image{'s' * (count != 1)} at data-fraction"
                f" {data_fraction:g}, too few for {fold.total} folds; use fewer folds or more images"
            )
        return split_fold(labels, chosen, fold=fold, seed=seed)
    if val_fraction == 0:
        return chosen, np.empty(0, dtype=np.int64)
    train, val = split_off(labels, chosen, fraction=val_fraction, seed=seed)
    for index in np.unique(labels):
        if not (labels[val] == index).any():
            count = int((labels[chosen] == index).sum())
            raise ConfigError(
                f"class {classes[index]!r} has {count} image{'s' * (count != 1)} at data-fraction {data_fraction:g}; "
                f"val-fraction {val_fraction:g} leaves none for validation; increase one fraction, or set val-fraction "
                "to 0"
            )
    return train, val


def _split_count(images: int, fraction: float) -> int:
    # Each additional image increases the number of split-off images by 0 or 1, and one image always remains. Therefore,
    # the parts of a larger selection contain the parts of a smaller selection.
    return min(math.floor(images * fraction + 0.5), max(images - 1, 0))


def _class_orders(labels: IntArray, seed: int) -> Iterator[IntArray]:
    for index in np.unique(labels):
        # RandomState is used because NumPy guarantees that its stream never changes.
        yield np.random.RandomState([seed, index]).permutation(np.flatnonzero(labels == index))
