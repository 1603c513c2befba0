"""Classification models of torchvision, by their names in torchvision.

Source: https://pytorch.org/vision/stable/models.html
"""

from __future__ import annotations

import re
import secrets
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from runfolio.errors import ConfigError, DamagedFile, DownloadFailed, NotFound
from runfolio.record.base.files import sha256
from runfolio.record.checkpoints.loading import Tensors
from runfolio.vision._torchvision import models
from runfolio.vision.data.download import RetryPolicy
from runfolio.vision.data.download import download as download_file
from runfolio.vision.data.fetch_claims import hold_claim
from runfolio.vision.data.transform import REDUCING_GAP, ImageTransform
from runfolio.vision.models.head import set_dropout
from runfolio.vision.models.spec import ModelSpec

CHANNELS = 3
_DIGEST_IN_NAME = re.compile(r"-([0-9a-f]{8,})\.")
"""Pattern of the SHA-256 prefix in the name of a weights file."""

# Auxiliary classifiers only help when a model is trained from scratch, and they add outputs to the model. The published
# weights of both models expect a different normalisation. `transform_input` converts from the ImageNet normalisation.
_WITH_AUXILIARY: dict[str, Any] = {"aux_logits": False, "init_weights": True, "transform_input": True}
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
_OPTIONS = {"googlenet": _WITH_AUXILIARY, "inception_v3": _WITH_AUXILIARY}

# The published weights of DenseNets use names with dots, which torch no longer allows for modules.
_DOTTED = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.(?=\d)")


def names() -> list[str]:
    return models.list_models(module=models)


def build(name: str, spec: ModelSpec) -> nn.Module:
    """Return a newly initialised network that maps [b, 3, h, w] images to [b, classes] logits.

    Raises:
        ConfigError: The model accepts only square images, and the images are not square.
    """
    model = models.get_model(
        name, weights=None, num_classes=spec.classes, **_OPTIONS.get(name, {}), **_size(name, spec)
    )
    if spec.dropout is not None:
        set_dropout(model, spec.dropout)
    return model


def _size(name: str, spec: ModelSpec) -> dict[str, Any]:
    if name.startswith("maxvit"):
        return {"input_size": (spec.height, spec.width)}
    if not name.startswith("vit"):
        return {}
    if spec.height != spec.width:
        raise ConfigError(f"model {name} accepts only square images, not {spec.height}x{spec.width}; give --image-size")
    return {"image_size": spec.height}


def transform(name: str) -> ImageTransform:
    """Return the transform of the newest published weights."""
    preset = models.get_model_weights(name).DEFAULT.transforms()  # type: ignore[attr-defined] - an enum made per model - every such enum has it
    (size,), (resize,) = preset.crop_size, preset.resize_size
    return ImageTransform(
        channels=CHANNELS,
        height=size,
        width=size,
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        resize=resize,
        reducing_gap=REDUCING_GAP,
        interpolation=preset.interpolation.value,
    )


def download(name: str) -> Tensors:
    """Return the newest published weights from torch's cache, or download them.

    Raises:
        NotFound: The weights are not in the cache and cannot be downloaded.
        DamagedFile: The file in the cache is damaged.
    """
    weights: Any = models.get_model_weights(name).DEFAULT  # type: ignore[attr-defined] - an enum made per model
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    if not cached.exists():
        try:
            _fetch(weights.url, cached)
        except (DownloadFailed, OSError) as error:
            raise NotFound(
                f"cannot download the weights of {name} from {weights.url} to {cached}"
                f" ({_reason(error)}); go online, put the file there, or give a different file with --weights FILE"
            ) from None
    try:
        return weights.get_state_dict(progress=False, weights_only=True)
    except Exception as error:  # damaged bytes make torch.load raise almost any error
        raise DamagedFile(f"{cached} is damaged ({_reason(error)}); delete it and try again") from None


def _fetch(url: str, path: Path) -> None:
    """Download published weights to `path`, and compare their digest with the digest in the file name.

    Raises:
        DownloadFailed: The weights cannot be downloaded, or have a different digest.
        StoreError: The disk is full or cannot be written.
        OSError: The folder cannot be created.
    """
    from rich.console import Console
    from rich.progress import Progress

    with hold_claim(path.with_name(f".{path.name}.lock")) as is_locked:
        if path.exists():  # another process has downloaded the weights
            return
        temporary = path.with_name(f".{'' if is_locked else secrets.token_hex(4)}{path.name}")
        with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
            download_file(url, temporary, progress=progress, retries=RetryPolicy(attempts=2))
        digest = sha256(temporary)
        if not digest.startswith(_DIGEST_IN_NAME.findall(path.name)[-1]):
            temporary.unlink()
            raise DownloadFailed(f"the file has the SHA-256 {digest}, not the one in its name")
        temporary.replace(path)


def current(name: str, tensors: Tensors) -> Tensors:
    """Return published tensors under the names that `build` uses, without the tensors of auxiliary classifiers."""
    renamed: Any = OrderedDict(
        (_DOTTED.sub(r"\1", key) if name.startswith("densenet") else key, tensor)
        for key, tensor in tensors.items()
        if not (name in _OPTIONS and key.startswith(_AUXILIARY))
    )
    renamed._metadata = getattr(tensors, "_metadata", None)
    return renamed


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error).partition("\n")[0] or type(error).__name__
