"""Transform of a picture into the input tensor of a network. Checkpoints store the transform as JSON in their
metadata."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import torch
from PIL import Image

from runfolio.errors import DamagedFile
from runfolio.record.checkpoints.bounded_values import (
    WrongValue,
    choice,
    described,
    integer,
    number,
    optional,
    sequence,
)
from runfolio.record.checkpoints.image_transforms import INTERPOLATIONS, MAX_SIDE, MAX_VALUE
from runfolio.vision._torchvision import v2
from runfolio.vision.data.base import ImageSet, ImageSource
from runfolio.vision.data.pictures import CHANNELS, check_resize, to_channels

REDUCING_GAP = 2.0
"""Value of `ImageTransform.reducing_gap` for new training runs."""


@dataclass(frozen=True, kw_only=True)
class ImageTransform:
    """Conversion of a picture to a [c, h, w] float32 tensor: set the channels, resize, scale to 0..1 and normalise."""

    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: int | None = None
    """Length of the shorter side after resizing and before cropping the centre. If None, the aspect ratio is not
    kept."""
    interpolation: str = "bilinear"
    reducing_gap: float | None = None
    """Minimum ratio of the decoded size to the resized size. A JPEG is scaled down to this ratio while decoding. A
    ratio of 2 has no visible effect. If None, JPEGs are decoded in full size. Source: Pillow's `Image.thumbnail`"""
    value_range: tuple[float, float] | None = None
    """Values that become black and white in pictures with more than 8 bits per channel (see `to_channels`)."""

    @classmethod
    def for_source(cls, source: ImageSource, image_size: int | None = None) -> ImageTransform:
        height, width = (image_size, image_size) if image_size else source.image_size
        return cls(
            channels=source.channels,
            height=height,
            width=width,
            mean=source.mean,
            std=source.std,
            reducing_gap=REDUCING_GAP,
            value_range=source.value_range,
        )

    def as_meta(self) -> dict[str, Any]:
        """Return the transform as JSON values. `value_range` is omitted if it is None, which keeps older caches
        valid."""
        meta = asdict(self) | {"mean": list(self.mean), "std": list(self.std)}
        value_range = meta.pop("value_range")
        return meta if value_range is None else meta | {"value_range": list(value_range)}

    def with_channels(self, channels: int) -> ImageTransform:
        return replace(
            self, channels=channels, mean=_for_channels(self.mean, channels), std=_for_channels(self.std, channels)
        )

    def with_size(self, pixels: int) -> ImageTransform:
        """Return the transform for square images of a different size. The ratio of cropped size to resized size stays
        the same."""
        resize = self.resize and round(pixels * self.resize / min(self.height, self.width))
        return replace(self, height=pixels, width=pixels, resize=resize)

    def with_normalisation(self, mean: tuple[float, ...], std: tuple[float, ...]) -> ImageTransform:
        """Return the transform with a different mean and standard deviation, each with one or three values."""
        return replace(self, mean=_for_channels(mean, self.channels), std=_for_channels(std, self.channels))

    @property
    def size_bytes(self) -> int:
        """Size of the 8-bit pixels of one picture, in bytes."""
        return self.channels * self.height * self.width

    def __call__(self, picture: Image.Image) -> torch.Tensor:
        return self.normalised(self.pixels(picture))

    @property
    def at_least(self) -> int | None:
        """Minimum size of each side in pixels after decoding (see `read_picture`)."""
        if self.reducing_gap is None:
            return None
        return math.ceil(self.reducing_gap * (self.resize or max(self.height, self.width)))

    def pixels_of(self, images: ImageSet, index: int) -> torch.Tensor:
        """Return the pixels of an image of a set (see `pixels`)."""
        picture = images.image(index, self.at_least)
        try:
            return self.pixels(picture)
        except DamagedFile as error:
            raise DamagedFile(f"{images.reference(index)}: {error}") from None

    def pixels(self, picture: Image.Image) -> torch.Tensor:
        """Return resized pixels, [c, h, w] uint8, without scaling them to 0..1 or normalising them.

        Raises:
            DamagedFile: Resizing the picture takes too much memory.
        """
        check_resize(picture.size, (self.width, self.height) if self.resize is None else self.resize)
        return self._geometry(to_channels(picture, self.channels, self.value_range))

    def normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        """Scale and normalise [..., c, h, w] uint8 pixels to float32. The result for an image does not depend on the
        other images of its batch."""
        mean, std = _by_channel(self.mean, pixels.device), _by_channel(self.std, pixels.device)
        return pixels.to(torch.float32).mul_(1 / 255).sub_(mean).div_(std)

    @cached_property
    def _geometry(self) -> v2.Compose:
        size = [self.height, self.width]
        mode = v2.InterpolationMode(self.interpolation)
        steps = (
            [v2.Resize(size, mode)] if self.resize is None else [v2.Resize([self.resize], mode), v2.CenterCrop(size)]
        )
        return v2.Compose([*steps, v2.PILToTensor()])


_check_fields = described(
    ImageTransform,
    {
        "channels": choice(*CHANNELS),
        "height": integer(1, MAX_SIDE),
        "width": integer(1, MAX_SIDE),
        "mean": sequence(number(-MAX_VALUE, MAX_VALUE), 1, max(CHANNELS)),
        "std": sequence(number(0, MAX_VALUE, above=True), 1, max(CHANNELS)),
        "resize": optional(integer(1, 2 * MAX_SIDE)),
        "interpolation": choice(*INTERPOLATIONS),
        "reducing_gap": optional(number(1, 100)),
        "value_range": optional(sequence(number(-MAX_VALUE, MAX_VALUE), 2, 2)),
    },
)


def check_transform(meta: Any) -> ImageTransform:
    """Return the transform that is described in a checkpoint's JSON.

    Raises:
        WrongValue: A field is missing, has the wrong type or is out of bounds.
    """
    transform = _check_fields(meta)
    for name in ("mean", "std"):
        if len(getattr(transform, name)) != transform.channels:
            raise WrongValue(f"has {len(getattr(transform, name))} values for {transform.channels} channels", name)
    return transform


@lru_cache(maxsize=64)
def _by_channel(values: tuple[float, ...], device: torch.device) -> torch.Tensor:
    """Return values as a [c, 1, 1] float32 tensor. The tensor is cached, since each copy to a GPU waits for pending
    work."""
    return torch.tensor(values, device=device)[:, None, None]


def _for_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if len(values) == channels:
        return values
    return (sum(values) / len(values),) * channels
