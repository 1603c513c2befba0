"""Networks by name, built from a description that is plain JSON and travels with the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from runfolio.errors import NotFound, did_you_mean
from runfolio.vision.models.mlp import MLP
from runfolio.vision.models.tinyvgg import TinyVGG

__all__ = ["ModelSpec", "build_model", "check_model_name"]


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """All that is needed to build a network again."""

    name: str
    channels: int
    height: int
    width: int
    classes: int
    hidden_units: int
    dropout: float = 0.0

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.channels, self.height, self.width

    def as_meta(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> ModelSpec:
        whole = {key: int(meta[key]) for key in ("channels", "height", "width", "classes", "hidden_units")}
        return cls(name=str(meta["name"]), dropout=float(meta["dropout"]), **whole)


_MODELS: dict[str, Callable[[ModelSpec], nn.Module]] = {
    "tinyvgg": lambda spec: TinyVGG(spec.image_shape, spec.classes, spec.hidden_units, spec.dropout),
    "mlp": lambda spec: MLP(spec.image_shape, spec.classes, spec.hidden_units, spec.dropout),
}


def check_model_name(name: str) -> None:
    """Raise `NotFound`, naming the nearest, where there is no such model."""
    if name not in _MODELS:
        raise NotFound(f"no model {name!r}; {did_you_mean(name, _MODELS)}")


def build_model(spec: ModelSpec) -> nn.Module:
    """A freshly initialised network: [b, c, h, w] images to [b, classes] logits.

    Raises:
        NotFound: There is no model of that name.
    """
    check_model_name(spec.name)
    return _MODELS[spec.name](spec)
