"""Models of timm (PyTorch Image Models), named `timm:NAME`. They need the extra `timm`.

Source: https://huggingface.co/docs/timm
"""

from __future__ import annotations

import math
from typing import Any

from torch import nn

# timm imports torchvision, so `_torchvision` must be imported before timm.
from runfolio.errors import MissingExtra, NotFound, did_you_mean
from runfolio.record.checkpoints.loading import Tensors
from runfolio.vision import _torchvision  # noqa: F401
from runfolio.vision.data.transform import REDUCING_GAP, ImageTransform
from runfolio.vision.models.spec import ModelSpec

PREFIX = "timm:"


def _timm() -> Any:
    try:
        import timm
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise MissingExtra("timm", "timm", "a model of timm") from None
    return timm


def check(name: str) -> None:
    """Check that timm has a model.

    Raises:
        NotFound: timm does not have the model; the message lists similar names.
        MissingExtra: timm is not installed.
    """
    timm = _timm()
    if not timm.is_model(name.partition(".")[0]):
        raise NotFound(f"timm has no model {name!r}; {did_you_mean(name, timm.list_models())}")


def build(name: str, spec: ModelSpec) -> nn.Module:
    """Return a newly initialised network that maps [b, c, h, w] images to [b, classes] logits."""
    dropout = {} if spec.dropout is None else {"drop_rate": spec.dropout}
    return _timm().create_model(name, num_classes=spec.classes, in_chans=spec.channels, **dropout)


def transform(name: str) -> ImageTransform:
    """Return the transform of the published weights."""
    timm = _timm()
    from timm.data.config import resolve_data_config

    config = resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    channels, height, width = config["input_size"]
    is_squashed = config["crop_mode"] == "squash"
    return ImageTransform(
        channels=channels,
        height=height,
        width=width,
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        resize=None if is_squashed else math.floor(min(height, width) / config["crop_pct"]),
        reducing_gap=REDUCING_GAP,
        interpolation=config["interpolation"],
    )


def download(name: str) -> Tensors:
    """Return the published weights from the cache, or download them.

    Raises:
        NotFound: The weights cannot be downloaded.
    """
    try:
        return _timm().create_model(name, pretrained=True).state_dict()
    except (OSError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise NotFound(
            f"the weights of timm:{name} cannot be downloaded ({reason}); go online, or give a file with --weights FILE"
        ) from None


def current(name: str, tensors: Tensors) -> Tensors:
    return tensors
