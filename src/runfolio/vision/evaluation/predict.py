"""Prediction with a trained classifier."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from runfolio.errors import ConfigError, DamagedFile
from runfolio.vision.data import load_data
from runfolio.vision.data.pictures import ValueRange, read_bytes, read_picture, upright

Picture = str | Path | bytes | Image.Image | NDArray[Any] | torch.Tensor
"""Input picture: a path, the bytes of a file, a Pillow image, an array, or a tensor. Arrays are [h, w] or [h, w, 3].
Tensors are [h, w] or [1 or 3, h, w].

Pixels are uint8, or floats from 0 to 1. If the classifier was trained on images with more than 8 bits per channel, grey
pixels must have the values of an image file.
"""


class PictureTransform(Protocol):
    """Transform of a picture into the input of a network, [c, h, w]."""

    @property
    def at_least(self) -> int | None:
        """Minimum size of each side after decoding (see `read_picture`)."""
        ...

    @property
    def value_range(self) -> ValueRange | None:
        """Values that become black and white in pictures with more than 8 bits per channel (see `to_channels`)."""
        ...

    def __call__(self, picture: Image.Image) -> torch.Tensor: ...


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Prediction for one picture."""

    label: str
    """Predicted class."""
    probability: float
    """Probability of the predicted class."""
    probabilities: dict[str, float]
    """Probability of each class, in the order of the classes. The probabilities sum to 1."""
    seconds: float
    """Time to transform and classify the decoded picture, in seconds."""
    image: str
    """Path of the file, or the number of the picture, such as `image 3`."""

    def top(self, count: int = 3) -> dict[str, float]:
        """Return the `count` most probable classes and their probabilities, sorted by decreasing probability."""
        return dict(sorted(self.probabilities.items(), key=lambda entry: -entry[1])[:count])


@dataclass(frozen=True)
class SampledTestImage:
    """Test picture with its true class."""

    picture: Image.Image
    truth: str
    reference: str


@dataclass(frozen=True)
class LoadedClassifier:
    """Model in eval mode, with its transform and classes."""

    model: nn.Module
    classes: tuple[str, ...]
    transform: PictureTransform
    data: str | None
    """Name of the training data, or None for the model of a user script."""
    test_data: str | None = None
    """Name of the data with the test images. If None, `data` provides the test images."""

    def predict(self, images: Picture | Iterable[Picture]) -> list[Prediction]:
        """Return a prediction for each picture, in order.

        Args:
            images: One picture, several pictures, or a stack of pictures, [n, h, w, 3] or [n, c, h, w].

        Raises:
            NotFound: A file does not exist.
            DamagedFile: A file cannot be read as an image. The message contains the file and the reason.
            ConfigError: A picture has an unknown type, or the network does not accept it.
        """
        return [self._predict_one(picture, number) for number, picture in enumerate(_as_pictures(images), start=1)]

    @torch.inference_mode()
    def _predict_one(self, picture: Picture, number: int) -> Prediction:
        name = str(picture) if isinstance(picture, (str, Path)) else f"image {number}"
        decoded = open_picture(
            picture, self.transform.at_least, name=name, is_deep=self.transform.value_range is not None
        )
        start = time.perf_counter()
        try:
            pixels = self.transform(decoded)
        except DamagedFile as error:
            raise DamagedFile(f"{name}: {error}") from None
        try:
            logits = self.model(pixels.unsqueeze(0).to(_device(self.model)))
        except (RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{name}: the network does not accept the output of the transform, {pixels.dtype} of shape"
                f" {tuple(pixels.shape)} ({str(error).partition(chr(10))[0]})"
            ) from None
        if logits.shape != (1, len(self.classes)):
            raise ConfigError(
                f"the network returns an output of shape {tuple(logits.shape)} for one picture, but there are"
                f" {len(self.classes)} classes; save the classes of this network with `run.checkpoint`"
            )
        shares = logits.double().softmax(dim=1)[0].tolist()
        seconds = time.perf_counter() - start
        best = max(range(len(shares)), key=shares.__getitem__)
        return Prediction(
            label=self.classes[best],
            probability=shares[best],
            probabilities=dict(zip(self.classes, shares, strict=True)),
            seconds=seconds,
            image=name,
        )


def open_picture(
    picture: Picture, at_least: int | None = None, *, name: str = "the picture", is_deep: bool = False
) -> Image.Image:
    """Return a picture of any type as an upright Pillow image.

    Args:
        picture: Picture to convert.
        at_least: Minimum size of the decoded picture (see `read_picture`).
        name: Name that error messages use for a picture without a path.
        is_deep: If true, grey values with more than 8 bits are kept.

    Raises:
        NotFound: The file does not exist.
        DamagedFile: The file cannot be read as an image.
        ConfigError: The type of the picture is unknown.
    """
    if isinstance(picture, (str, Path)):
        return read_picture(picture, at_least)
    if isinstance(picture, bytes):
        return read_bytes(picture, name, at_least)
    if isinstance(picture, Image.Image):
        return upright(picture)
    pixels = _as_array(picture)
    if pixels is not None and pixels.ndim in (2, 3) and pixels.shape[2:] in ((), (3,)) and pixels.size:
        if pixels.dtype == np.uint8:
            return Image.fromarray(pixels)
        if is_deep and pixels.ndim == 2 and pixels.dtype.kind in "fiu":
            return Image.fromarray(pixels.astype(np.float32))
        if pixels.dtype.kind == "f" and pixels.min() >= 0 and pixels.max() <= 1:
            return Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
    kind = type(picture).__name__
    if pixels is not None:
        kind = f"{'tensor' if isinstance(picture, torch.Tensor) else 'array'} of {pixels.dtype} {pixels.shape}"
    raise ConfigError(
        f"not a picture: {kind}; give a path, bytes, a Pillow image, an array [h, w] or [h, w, 3], or a tensor"
        " [1 or 3, h, w] (uint8, or floats from 0 to 1)"
    )


def _as_array(picture: Any) -> NDArray[Any] | None:
    """Return the pixels of an array or tensor, [h, w] or [h, w, c]. Return None for other types."""
    if isinstance(picture, torch.Tensor):
        pixels = picture.detach().cpu()
        pixels = (pixels.float() if pixels.is_floating_point() else pixels).numpy()
        pixels = np.ascontiguousarray(np.moveaxis(pixels, 0, -1)) if pixels.ndim == 3 else pixels
        return pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels
    return picture if isinstance(picture, np.ndarray) else None


def sample_test_images(classifier: LoadedClassifier, count: int, seed: int = 0) -> list[SampledTestImage]:
    """Sample test images of the classifier's data without replacement.

    Args:
        classifier: Classifier whose data are used.
        count: Number of images.
        seed: Seed of the selection.

    Raises:
        ConfigError: `count` is below 1 or above the number of test images, or the data are unknown.
        NotFound: The data no longer exist.
        DownloadFailed: The data could not be downloaded again.
    """
    if classifier.data is None:
        raise ConfigError("the script that made this run did not name its data; name image files or folders instead")
    source = load_data(classifier.data, test_data=classifier.test_data, skip_bad_images=True)
    if not 1 <= count <= len(source.test):
        raise ConfigError(f"cannot draw {count} test images of {source.name}; give 1 to {len(source.test)}")
    indices = np.random.RandomState(seed).permutation(len(source.test))[:count].tolist()
    return [
        SampledTestImage(
            picture=source.test.image(index, classifier.transform.at_least),
            truth=source.classes[int(source.test.labels[index])],
            reference=source.test.reference(index),
        )
        for index in indices
    ]


def _as_pictures(images: Picture | Iterable[Picture]) -> Iterable[Picture]:
    return [cast("Picture", images)] if _is_one_picture(images) else cast("Iterable[Picture]", images)


def _is_one_picture(images: Any) -> bool:
    """Return whether `images` is one picture. A single picture, such as a string or an array, can also be iterable."""
    if isinstance(images, torch.Tensor):
        return images.ndim == 2 or (images.ndim == 3 and images.shape[0] in (1, 3))
    if isinstance(images, np.ndarray):
        return images.ndim == 2 or (images.ndim == 3 and images.shape[2] == 3)
    return isinstance(images, (str, Path, bytes, Image.Image))


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
