"""From a picture to the tensor a network sees. A value that travels in the checkpoint's meta as JSON."""

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
"""Of new trainings; those recorded before there was one decoded every picture whole."""


@dataclass(frozen=True, kw_only=True)
class ImageTransform:
    """Convert to the channels, resize, scale to 0..1, normalise. Called with a picture, gives [c, h, w] float32."""

    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: int | None = None
    """The shorter side is brought to so many pixels and the middle cut out; None squeezes the whole picture."""
    interpolation: str = "bilinear"
    reducing_gap: float | None = None
    """A JPEG may be scaled down while it is decoded, as long as it stays so many times larger than it is resized to: 2
    makes no difference that is seen. None: it is decoded whole. Source: Pillow's `Image.thumbnail`"""
    value_range: tuple[float, float] | None = None
    """Values of pictures of more than 8 bits that become black and white (see `to_channels`)."""

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
        """Return it as plain values. Without a range there is no such key, so that what was cached before is used."""
        meta = asdict(self) | {"mean": list(self.mean), "std": list(self.std)}
        value_range = meta.pop("value_range")
        return meta if value_range is None else meta | {"value_range": list(value_range)}

    def with_channels(self, channels: int) -> ImageTransform:
        return replace(
            self, channels=channels, mean=_for_channels(self.mean, channels), std=_for_channels(self.std, channels)
        )

    def with_size(self, pixels: int) -> ImageTransform:
        """Square images of another size; where a margin is cut off, the same share of the picture."""
        resize = self.resize and round(pixels * self.resize / min(self.height, self.width))
        return replace(self, height=pixels, width=pixels, resize=resize)

    def with_normalisation(self, mean: tuple[float, ...], std: tuple[float, ...]) -> ImageTransform:
        """By a mean and deviation that are known for grey or for colour."""
        return replace(self, mean=_for_channels(mean, self.channels), std=_for_channels(std, self.channels))

    @property
    def size_bytes(self) -> int:
        """Of the pixels of one picture."""
        return self.channels * self.height * self.width

    def __call__(self, picture: Image.Image) -> torch.Tensor:
        return self.normalised(self.pixels(picture))

    @property
    def at_least(self) -> int | None:
        """How many pixels a side of a picture must have to be decoded for this (see `read_picture`)."""
        if self.reducing_gap is None:
            return None
        return math.ceil(self.reducing_gap * (self.resize or max(self.height, self.width)))

    def pixels_of(self, images: ImageSet, index: int) -> torch.Tensor:
        """Of an image of a set: as `pixels`."""
        picture = images.image(index, self.at_least)
        try:
            return self.pixels(picture)
        except DamagedFile as error:
            raise DamagedFile(f"{images.reference(index)}: {error}") from None

    def pixels(self, picture: Image.Image) -> torch.Tensor:
        """[c, h, w] uint8: all but scaling and normalising.

        Raises:
            DamagedFile: The picture takes too much memory to resize.
        """
        check_resize(picture.size, (self.width, self.height) if self.resize is None else self.resize)
        return self._geometry(to_channels(picture, self.channels, self.value_range))

    def normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        """[..., c, h, w] uint8 to [..., c, h, w] float32, as the network sees it: the same bits alone or in a batch."""
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
    """Return the transform that a checkpoint's JSON describes.

    Raises:
        WrongValue: A field is missing, of another kind or out of bounds.
    """
    transform = _check_fields(meta)
    for name in ("mean", "std"):
        if len(getattr(transform, name)) != transform.channels:
            raise WrongValue(f"has {len(getattr(transform, name))} values for {transform.channels} channels", name)
    return transform


@lru_cache(maxsize=64)
def _by_channel(values: tuple[float, ...], device: torch.device) -> torch.Tensor:
    """[c, 1, 1] float32; kept, since a copy to a GPU waits for all that it still has to do."""
    return torch.tensor(values, device=device)[:, None, None]


def _for_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if len(values) == channels:
        return values
    return (sum(values) / len(values),) * channels
