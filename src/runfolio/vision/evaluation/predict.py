"""A trained classifier at work on pictures."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import nn

from runfolio.errors import ConfigError
from runfolio.vision.data import load_data
from runfolio.vision.data.pictures import read_picture
from runfolio.vision.data.transform import ImageTransform

Picture = str | Path | Image.Image | NDArray[np.uint8] | NDArray[np.floating]
"""A file, a Pillow image, or pixels, [h, w] grey or [h, w, 3] colour: uint8, or floats from 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the classifier says of one picture."""

    label: str
    probability: float
    probabilities: dict[str, float]
    """Of every class, in the order of the classes; they sum to 1."""
    seconds: float
    """To prepare the decoded picture and classify it."""
    image: str
    """The file's path, or `image 3` for the third of those that came without one."""


@dataclass(frozen=True)
class SampledTestImage:
    """A test picture whose class is known."""

    picture: Image.Image
    truth: str
    reference: str


@dataclass(frozen=True)
class LoadedClassifier:
    """A model in eval mode with all that its pictures and answers need."""

    model: nn.Module
    classes: tuple[str, ...]
    transform: ImageTransform
    data: str
    """Name of the data it was trained on."""
    test_data: str | None = None
    """Name of the data its test images come from; None: the same."""

    def predict(self, images: Iterable[Picture]) -> list[Prediction]:
        """A prediction for each picture, in order.

        Raises:
            NotFound: A file is not there.
            DamagedFile: A file cannot be read as an image; the message names it and says why.
        """
        return [self._predict_one(picture, number) for number, picture in enumerate(_as_pictures(images), start=1)]

    @torch.inference_mode()
    def _predict_one(self, picture: Picture, number: int) -> Prediction:
        decoded = open_picture(picture, self.transform.at_least)
        began = time.perf_counter()
        logits = self.model(self.transform(decoded).unsqueeze(0).to(_device(self.model)))
        shares = logits.double().softmax(dim=1)[0].tolist()
        seconds = time.perf_counter() - began
        best = max(range(len(shares)), key=shares.__getitem__)
        return Prediction(
            label=self.classes[best],
            probability=shares[best],
            probabilities=dict(zip(self.classes, shares, strict=True)),
            seconds=seconds,
            image=str(picture) if isinstance(picture, (str, Path)) else f"image {number}",
        )


def open_picture(picture: Picture, at_least: int | None = None) -> Image.Image:
    """The picture decoded, whatever it came as; for `at_least` see `read_picture`.

    Raises:
        NotFound, DamagedFile: As `read_picture`.
        ConfigError: It is neither a file nor a picture.
    """
    if isinstance(picture, (str, Path)):
        return read_picture(picture, at_least)
    if isinstance(picture, Image.Image):
        return ImageOps.exif_transpose(picture)
    if isinstance(picture, np.ndarray) and picture.ndim in (2, 3) and picture.shape[2:] in ((), (3,)) and picture.size:
        if picture.dtype == np.uint8:
            return Image.fromarray(picture)
        if picture.dtype.kind == "f" and picture.min() >= 0 and picture.max() <= 1:
            return Image.fromarray(np.rint(picture * 255).astype(np.uint8))
    kind = f"array of {picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
    raise ConfigError(
        f"not a picture: {kind}; give a path, a Pillow image, or an array [h, w] or [h, w, 3]"
        " of uint8, or of floats from 0 to 1"
    )


def sample_test_images(classifier: LoadedClassifier, count: int, seed: int = 0) -> list[SampledTestImage]:
    """`count` of the test images of the data a classifier was trained on, drawn without repetition.

    Raises:
        ConfigError: `count` is below 1 or above the number of test images.
        NotFound, DownloadFailed: The data is not there any more.
    """
    source = load_data(classifier.data, test_data=classifier.test_data, skip_bad_images=True)
    if not 1 <= count <= len(source.test):
        raise ConfigError(f"cannot draw {count} test images of {source.name}; there are 1 to {len(source.test)}")
    indices = np.random.RandomState(seed).permutation(len(source.test))[:count].tolist()
    return [
        SampledTestImage(
            picture=source.test.image(index, classifier.transform.at_least),
            truth=source.classes[int(source.test.labels[index])],
            reference=source.test.reference(index),
        )
        for index in indices
    ]


def _as_pictures(images: Iterable[Picture]) -> Iterable[Picture]:
    # A single path is an iterable too, of letters.
    return [images] if isinstance(images, (str, Path, Image.Image)) else images


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
