"""The description of a network: plain JSON that travels with the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """All that is needed to build a network again."""

    name: str
    channels: int
    height: int
    width: int
    classes: int
    hidden_units: int
    dropout: float | None = None
    """None leaves the architecture's own."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.channels, self.height, self.width

    def as_meta(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> ModelSpec:
        sizes = {key: int(meta[key]) for key in ("channels", "height", "width", "classes", "hidden_units")}
        dropout = None if meta["dropout"] is None else float(meta["dropout"])
        return cls(name=str(meta["name"]), dropout=dropout, **sizes)
