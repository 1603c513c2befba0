"""Figure of training images: as stored, as the network sees them, and after augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from runfolio.vision._extras import vision_extra
from runfolio.vision.batches.augment import Augmentation
from runfolio.vision.batches.loaders import AugmentedImages, PreparedImages, SampleRef
from runfolio.vision.drawing.predictions import save_figure, shortened, show_picture
from runfolio.vision.prepare import Preparation

IMAGES = 8
_EPOCHS = (0, 1)
_CELL_INCHES = 1.5
_INK = "#3d4451"


@dataclass(frozen=True)
class BatchPictures:
    """Training images that alternate between the classes."""

    classes: list[str]
    """Class of each image."""
    rows: dict[str, list[Image.Image]]
    """Images by processing stage: as stored, transformed, and augmented in each of several epochs."""


def batch_pictures(preparation: Preparation, images: int = IMAGES) -> BatchPictures:
    """Return the first training images of a seeded order at each processing stage. The resized and augmented images
    have exactly the pixels that training then normalises.

    Rows of augmented images exist only if the settings enable augmentation.
    """
    settings, transform = preparation.settings, preparation.transform
    prepared = PreparedImages(preparation.source.train, preparation.train, transform)
    positions = _positions_by_class(preparation, images)
    rows = {
        "as stored": [preparation.source.train.image(prepared.index(position)) for position in positions],
        f"{settings.model} sees\n{transform.width} x {transform.height}": [
            _picture(prepared.pixels(position)) for position in positions
        ],
    }
    if settings.augment != "none":
        augmentation = Augmentation(
            settings.augment, height=transform.height, width=transform.width, seed=settings.seed
        )
        augmented = AugmentedImages(prepared, augmentation)
        for epoch in _EPOCHS:
            changed = [_picture(augmented.pixels(SampleRef(epoch, position))) for position in positions]
            rows[f"{settings.augment}\nepoch {epoch + 1}"] = changed
    return BatchPictures([preparation.source.classes[prepared.label(position)] for position in positions], rows)


def first_images(preparation: Preparation, images: int = 2 * IMAGES) -> list[tuple[str, Image.Image]]:
    """Return the first training images of a seeded order with their classes. The images are resized for the network but
    not augmented."""
    prepared = PreparedImages(preparation.source.train, preparation.train, preparation.transform)
    classes = preparation.source.classes
    return [
        (classes[prepared.label(position)], _picture(prepared.pixels(position)))
        for position in _positions_by_class(preparation, images)
    ]


def draw_batch(preparation: Preparation, path: str | Path, images: int = IMAGES) -> Path:
    """Draw the result of `batch_pictures` as a grid with one row per processing stage, and return the path.

    Raises:
        StoreError: The figure cannot be written.
        ConfigError: The suffix is not a known image format.
    """
    with vision_extra("drawing a batch"):
        from matplotlib.figure import Figure

    batch = batch_pictures(preparation, images)
    columns = len(batch.classes)
    size = (columns * _CELL_INCHES + 0.5, len(batch.rows) * _CELL_INCHES * 1.05 + 0.7)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    figure.suptitle(preparation.source.name, fontsize=12, color=_INK)
    grid = figure.subplots(len(batch.rows), columns, squeeze=False)
    for cells, (label, pictures) in zip(grid, batch.rows.items(), strict=True):
        for axes, picture in zip(cells, pictures, strict=True):
            show_picture(axes, picture, preparation.transform.value_range)
        cells[0].set_ylabel(label, fontsize=10, color=_INK)
    for axes, name in zip(grid[0], batch.classes, strict=True):
        axes.set_title(shortened(name), fontsize=10, color=_INK, weight="bold")
    save_figure(figure, Path(path))
    return Path(path)


def _positions_by_class(preparation: Preparation, count: int) -> list[int]:
    """Return positions of training images in a seeded order: the first image of each class, then the second image of
    each class, and so on."""
    labels = preparation.source.train.labels[preparation.train]
    order = np.random.RandomState(preparation.settings.seed).permutation(len(labels))
    rank = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        rank[members] = np.arange(len(members))
    return sorted(order.tolist(), key=lambda position: (rank[position], labels[position]))[:count]


def _picture(pixels: torch.Tensor) -> Image.Image:
    """Return [c, h, w] uint8 pixels as an image."""
    array = pixels.permute(1, 2, 0).numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
