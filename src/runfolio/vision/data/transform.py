"""From a picture to the tensor a network sees. A value that travels in the checkpoint's meta as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import torch
from PIL import Image

from runfolio.vision._torchvision import v2
from runfolio.vision.data.base import ImageSource
from runfolio.vision.pictures import to_channels


@dataclass(frozen=True, kw_only=True)
class ImageTransform:
    """Convert to the channels, resize, scale to 0..1, normalise. Called with a picture, gives [c, h, w] float32."""

    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def for_source(cls, source: ImageSource, image_size: int | None = None) -> ImageTransform:
        height, width = (image_size, image_size) if image_size else source.image_size
        return cls(channels=source.channels, height=height, width=width, mean=source.mean, std=source.std)

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> ImageTransform:
        return cls(
            channels=int(meta["channels"]),
            height=int(meta["height"]),
            width=int(meta["width"]),
            mean=tuple(float(value) for value in meta["mean"]),
            std=tuple(float(value) for value in meta["std"]),
        )

    def as_meta(self) -> dict[str, Any]:
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}

    @property
    def size_bytes(self) -> int:
        """Of one prepared picture."""
        return self.channels * self.height * self.width * torch.float32.itemsize

    def __call__(self, picture: Image.Image) -> torch.Tensor:
        return self._steps(to_channels(picture, self.channels))

    @cached_property
    def _steps(self) -> v2.Compose:
        return v2.Compose(
            [
                v2.Resize([self.height, self.width], antialias=True),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(mean=list(self.mean), std=list(self.std)),
                v2.ToPureTensor(),
            ]
        )
