"""JSON description of a network, stored with the weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from runfolio.record.checkpoints.bounded_values import choice, described, integer, number, optional, text
from runfolio.record.checkpoints.image_transforms import MAX_SIDE
from runfolio.vision.data.pictures import CHANNELS

MAX_CLASSES = 1_000_000
_MAX_UNITS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Description from which a network can be rebuilt."""

    name: str
    channels: int
    height: int
    width: int
    classes: int
    hidden_units: int
    dropout: float | None = None
    """Dropout probability before the last layer. If None, the architecture determines the probability."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of the input images, (channels, height, width)."""
        return self.channels, self.height, self.width

    def as_meta(self) -> dict[str, Any]:
        return asdict(self)


check_spec = described(
    ModelSpec,
    {
        "name": text,
        "channels": choice(*CHANNELS),
        "height": integer(1, MAX_SIDE),
        "width": integer(1, MAX_SIDE),
        "classes": integer(1, MAX_CLASSES),
        "hidden_units": integer(1, _MAX_UNITS),
        "dropout": optional(number(0, 1)),
    },
)
"""Function that checks a checkpoint's JSON and returns the `ModelSpec`, or raises `WrongValue`."""
