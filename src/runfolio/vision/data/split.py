"""Stratified, seeded shares of labelled images, each inside the next larger one.

Every class has one seeded order. A share is the front of that order, and whether an image of the share validates is
settled by its place in it, so images that train (or validate) a small share do the same in every larger one.
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
    """Indices of a stratified share of the images, ascending; at least one image of each class.

    Args:
        labels: [n] class indices.
        fraction: 0 < fraction <= 1. A smaller fraction's images are among a larger one's.
    """
    chosen = [order[: max(1, math.floor(len(order) * fraction + 0.5))] for order in _class_orders(labels, seed)]
    return np.sort(np.concatenate(chosen))


def split_off(labels: IntArray, indices: IntArray, *, fraction: float, seed: int) -> tuple[IntArray, IntArray]:
    """(kept, split off): the images at `indices` in two parts, stratified, both ascending.

    Every class keeps at least one image. Over growing shares of one seed (`stratified_share`), both parts only grow.
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
    """(the other folds, this fold): the images at `indices` in two parts, stratified, both ascending.

    Each image is in one fold of a seed. Numbers of a class, and of all images, differ by one at most between folds.
    """
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[indices] = True
    # Dealt one by one, the next class where the last one ended, so that no fold gets the odd image of every class.
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
    """Indices of the images that train and of those that validate, disjoint, both stratified.

    Args:
        fold: The images of this one validate; `val_fraction` does not count then.
    Raises:
        ConfigError: A class would have no image to validate with; the message says what to change.
    """
    chosen = stratified_share(labels, fraction=data_fraction, seed=seed)
    if fold is not None:
        counts = np.bincount(labels[chosen], minlength=len(classes))
        fewest = int(np.argmin(np.where(counts, counts, len(labels))))
        if (count := int(counts[fewest])) < fold.total:
            raise ConfigError(
                f"class {classes[fewest]!r} has {count} image{'s' * (count != 1)} at data-fraction"
                f" {data_fraction:g}, too few for {fold.total} folds: take fewer folds or more images"
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
                f"val-fraction {val_fraction:g} leaves none to validate with: raise either, or set val-fraction to 0"
            )
    return train, val


def _split_count(images: int, fraction: float) -> int:
    # Grows by 0 or 1 with each image, and always leaves one: that is what makes the two parts nested.
    return min(math.floor(images * fraction + 0.5), max(images - 1, 0))


def _class_orders(labels: IntArray, seed: int) -> Iterator[IntArray]:
    for index in np.unique(labels):
        # RandomState, not default_rng: NumPy promises that its stream never changes, so any split can be repeated.
        yield np.random.RandomState([seed, index]).permutation(np.flatnonzero(labels == index))
